package v1alpha1

// KeySource says where a key comes from that is not generated. Exactly one member is given.
//
// +kubebuilder:validation:XValidation:rule="has(self.hash) != has(self.secretRef)",message="must have exactly one of hash and secretRef: give one of them, or leave source out to have a key generated"
type KeySource struct {
	// hash imports a key by its hash alone, without anybody showing the key. Changing it ends the old
	// one at once. Example: {sha256: <64 hexadecimal digits>, hint: sk_live_a1b2…}.
	// +optional
	Hash *HashSource `json:"hash,omitempty"`

	// secretRef takes the key from a Secret that somebody else manages, in the ApiKey's namespace. A
	// change of its value is a rotation: the old value keeps its grace period.
	// Example: {name: from-vault, key: token}.
	// +optional
	SecretRef *SecretKeySource `json:"secretRef,omitempty"`
}

// The rules on sha256 stand at its parent since a refusal by a rule on a text repeats the text, and somebody will paste
// the key there. The bound on its length is far above 64 so that the rule's sentence is what they read.

// HashSource is an imported key by its hash.
//
// +kubebuilder:validation:XValidation:rule="self.sha256.matches('^[0-9a-f]{64}$')",message="must be the SHA-256 of the key in 64 lower-case hexadecimal digits, never the key itself: write what printf %s \"$KEY\" | sha256sum prints before the space",fieldPath=".sha256"
// +kubebuilder:validation:XValidation:rule="self.sha256 != 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'",message="is the SHA-256 of nothing, as the variable or file that was hashed was empty: hash the key",fieldPath=".sha256"
type HashSource struct {
	// sha256 is the plain SHA-256 of the key, as 64 lower-case hexadecimal digits. Nothing can tell from
	// it whether the key is strong; that is for whoever imports it to know.
	// Example, of the key in $KEY: printf %s "$KEY" | sha256sum.
	// +kubebuilder:validation:MaxLength=1024
	SHA256 string `json:"sha256"`

	// hint is what may be shown of the key, at most 16 characters on one line. Default: none.
	// Example: sk_live_a1b2….
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule=`!self.matches(r'[\p{Cc}\p{Zl}\p{Zp}]')`,message="must not contain control characters or line breaks: write it on one line, such as sk_live_a1b2…"
	// +optional
	Hint string `json:"hint,omitempty"`
}

// SecretKeySource is a value in a Secret that somebody else manages. The Secret is read only while it
// carries the label apikey-operator.dev/key-source: "true": otherwise the hash of any Secret could be
// had through the status of an ApiKey.
type SecretKeySource struct {
	// name of the Secret, in the ApiKey's namespace. Example: from-vault.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')",message="must be the name of a Secret: lower-case letters, digits, '-' and '.', beginning and ending with a letter or digit, such as from-vault"
	Name string `json:"name"`

	// key is the data key that holds the API key. Default: api-key. Example: token.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[-._a-zA-Z0-9]+$') && self != '.' && !self.startsWith('..')",message="must be a key of a Secret's data: letters, digits, '-', '_' and '.', and neither '.' nor beginning with '..', such as token"
	// +kubebuilder:default=api-key
	// +optional
	Key string `json:"key,omitempty"`
}
