package apimodel

import (
	"context"
	"encoding/json"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// ClientOptions say how a client hands out objects.
type ClientOptions struct {
	// ShareReads hands out objects that must not be changed, instead of copies.
	ShareReads bool
}

// Client makes calls to a Store as a controller-runtime client makes them to an API server. An answer
// replaces the caller's object as a whole.
type Client struct {
	unmodelled
	store   *Store
	options ClientOptions
}

var _ client.Client = Client{}

// Client is a client of the Store.
func (s *Store) Client(options ClientOptions) Client { return Client{store: s, options: options} }

// Get implements client.Reader.
func (c Client) Get(ctx context.Context, name client.ObjectKey, object client.Object, options ...client.GetOption) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	o := client.GetOptions{}
	o.ApplyOptions(options)
	kind, err := kindOf(object)
	if err != nil {
		return err
	}
	if o.Raw != nil {
		return notModelled("raw options")
	}
	found, err := c.store.get(kind, name)
	if err != nil {
		return err
	}
	return found.writeTo(object, c.options.ShareReads)
}

// List implements client.Reader.
func (c Client) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	o := client.ListOptions{}
	o.ApplyOptions(options)
	if o.LabelSelector != nil || o.FieldSelector != nil || o.Limit != 0 || o.Continue != "" || o.Raw != nil {
		return notModelled("selecting in a live list but by namespace")
	}
	kind, err := kindOfList(list)
	if err != nil {
		return err
	}
	if err := fill(list, inNamespace(c.store.objects[kind], o.Namespace), c.options.ShareReads); err != nil {
		return err
	}
	list.SetResourceVersion(formatVersion(c.store.version))
	return nil
}

// Create implements client.Writer.
func (c Client) Create(ctx context.Context, object client.Object, options ...client.CreateOption) error {
	o := client.CreateOptions{}
	o.ApplyOptions(options)
	if len(o.DryRun) > 0 || o.Raw != nil {
		return notModelled("dry runs and raw options")
	}
	return c.write(ctx, object, mainPart, c.store.create)
}

// Update implements client.Writer.
func (c Client) Update(ctx context.Context, object client.Object, options ...client.UpdateOption) error {
	o := client.UpdateOptions{}
	o.ApplyOptions(options)
	if len(o.DryRun) > 0 || o.Raw != nil {
		return notModelled("dry runs and raw options")
	}
	return c.write(ctx, object, mainPart, func(draft *record) (*record, error) {
		return c.store.update(draft, mainPart)
	})
}

func (c Client) write(ctx context.Context, object client.Object, p part, do func(*record) (*record, error)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	draft, err := draftOf(object, p)
	if err != nil {
		return err
	}
	stored, err := do(draft)
	if err != nil {
		return err
	}
	return stored.writeTo(object, c.options.ShareReads)
}

// Patch implements client.Writer for JSON merge patches on ApiKeys.
func (c Client) Patch(ctx context.Context, object client.Object, patch client.Patch, options ...client.PatchOption) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	o := client.PatchOptions{}
	o.ApplyOptions(options)
	kind, err := kindOf(object)
	if err != nil {
		return err
	}
	if kind != ApiKeys || patch.Type() != types.MergePatchType || len(o.DryRun) > 0 || o.Raw != nil {
		return notModelled("patches other than plain JSON merge patches on ApiKeys")
	}
	data, err := patch.Data(object)
	if err != nil {
		return err
	}
	current, err := c.store.get(kind, client.ObjectKeyFromObject(object))
	if err != nil {
		return err
	}
	draft, err := patched(current, data)
	if err != nil {
		return err
	}
	stored, err := c.store.replace(current, draft, mainPart)
	if err != nil {
		return err
	}
	return stored.writeTo(object, c.options.ShareReads)
}

// patched is what a merge patch makes of an ApiKey.
func patched(current *record, data []byte) (*record, error) {
	if !json.Valid(data) {
		return nil, notModelled("a patch that is no JSON")
	}
	patch := map[string]any{}
	if err := utiljson.Unmarshal(data, &patch); err != nil {
		return nil, notModelled("a patch that is no JSON object")
	}
	merged := &unstructured.Unstructured{Object: mergeJSON(current.unstructured().Object, patch)}
	if client.ObjectKeyFromObject(merged) != nameOf(current.meta) {
		return nil, notModelled("a patch of a name")
	}
	return draftOf(merged, mainPart)
}

// Delete implements client.Writer.
func (c Client) Delete(ctx context.Context, object client.Object, options ...client.DeleteOption) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	o := client.DeleteOptions{}
	o.ApplyOptions(options)
	kind, err := kindOf(object)
	if err != nil {
		return err
	}
	background := o.PropagationPolicy == nil || *o.PropagationPolicy == metav1.DeletePropagationBackground
	if !background || len(o.DryRun) > 0 || o.Raw != nil {
		return notModelled("deletion other than in the background")
	}
	return c.store.delete(kind, client.ObjectKeyFromObject(object), o.Preconditions)
}

// Status implements client.StatusClient.
func (c Client) Status() client.SubResourceWriter { return statusWriter{client: c} }

type statusWriter struct {
	unmodelledStatus
	client Client
}

// Update implements client.SubResourceWriter.
func (w statusWriter) Update(ctx context.Context, object client.Object, options ...client.SubResourceUpdateOption) error {
	o := client.SubResourceUpdateOptions{}
	o.ApplyOptions(options)
	if o.SubResourceBody != nil || len(o.DryRun) > 0 || o.Raw != nil {
		return notModelled("bodies, dry runs and raw options")
	}
	return w.client.write(ctx, object, statusPart, func(draft *record) (*record, error) {
		return w.client.store.update(draft, statusPart)
	})
}
