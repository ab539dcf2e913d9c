package indexfeed

import (
	"errors"
	"fmt"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/index"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// credentialsOf turns the credentials of a status into the index's. Those that the spec takes away have expired at
// once, with the manager down; they stay known, so that whoever holds one is told.
func credentialsOf(key *v1alpha1.ApiKey, source index.Source) ([]index.Credential, error) {
	credentials := make([]index.Credential, 0, len(key.Status.Credentials))
	for i := range key.Status.Credentials {
		c := &key.Status.Credentials[i]
		hash, err := hashOf(c, source)
		if err != nil {
			return nil, fmt.Errorf("status.credentials[%d].hash: %w", i, err)
		}
		credentials = append(credentials, index.Credential{
			Hash:     hash,
			Revision: c.Revision,
			IssuedAt: c.IssuedAt.Time,
			NotAfter: timeOf(c.NotAfter),
			Expired:  c.Revision < key.Spec.MinRevision || !isNamed(c.Hash, key.Spec.Source),
		})
	}
	return credentials, nil
}

// sourceOf fails where the source cannot be told, which the API's rules keep out.
func sourceOf(spec *v1alpha1.ApiKeySpec) (index.Source, error) {
	switch source := spec.Source; {
	case source == nil:
		return index.Generated, nil
	case source.Hash != nil && source.SecretRef == nil:
		return index.FromHash, nil
	case source.SecretRef != nil && source.Hash == nil:
		return index.FromSecret, nil
	}
	return 0, errors.New("spec.source: give either hash or secretRef")
}

// hashOf fails on a hash of the form that the source does not have. Otherwise an ApiKey whose source was changed in
// spite of the API's rules would hold claims that rank as what they are not.
func hashOf(c *v1alpha1.Credential, source index.Source) (keys.Hash, error) {
	hash, err := keys.ParseHash(c.Hash)
	if err != nil {
		return keys.Hash{}, err
	}
	switch generated := source == index.Generated; {
	case generated && hash.Imported:
		return keys.Hash{}, errors.New("it is an imported key's, and the spec names no source")
	case !generated && !hash.Imported:
		return keys.Hash{}, errors.New("it is a generated key's, and the spec names a source")
	}
	return hash, nil
}

// isNamed says whether the source allows a hash, which has one spelling: an imported one works only while the spec
// names it.
func isNamed(hash string, source *v1alpha1.KeySource) bool {
	return source == nil || source.Hash == nil || hash == keys.ImportedPrefix+source.Hash.SHA256
}
