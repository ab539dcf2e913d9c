package index

import "net/netip"

// Found is what the index knows of one credential: parts of the index's own memory, which it keeps as they
// are, and which are decoded as they are asked for. Handing it on costs two registers, where copying an
// Entry took a tenth of the time of a decision. The zero value is nothing and must not be asked.
type Found struct {
	table *table
	slot  *slot
}

// NotAfter is Entry.NotAfter.
func (f Found) NotAfter() int64 { return f.slot.notAfter }

// Revision is Entry.Revision.
func (f Found) Revision() int64 { return f.slot.revision }

// Revoked is Entry.Revoked.
func (f Found) Revoked() bool { return f.slot.is(revoked) }

// Suspended is Entry.Suspended.
func (f Found) Suspended() bool { return f.slot.is(suspended) }

// Expired is Entry.Expired.
func (f Found) Expired() bool { return f.slot.is(expired) }

// NotGranted is Entry.NotGranted.
func (f Found) NotGranted() bool { return f.slot.is(notGranted) }

// Imported reports whether the key is an imported or referenced one, not a generated one.
func (f Found) Imported() bool { return f.slot.is(imported) }

// EndsEarly reports whether NotAfter is the credential's own end, as of one in its grace period, and its ApiKey's comes later.
func (f Found) EndsEarly() bool { return f.slot.is(endsEarly) }

// Permissions is Entry.Permissions.
func (f Found) Permissions() string { return permissionsOf(f.grant()) }

// Scopes is Entry.Scopes.
func (f Found) Scopes() string { return scopesOf(f.grant()) }

// Tenant is Entry.Tenant.
func (f Found) Tenant() string { return tenantOf(f.grant()) }

// RestrictsAddress is Entry.RestrictsAddress.
func (f Found) RestrictsAddress() bool { return f.grant()[0]&hasNetworks != 0 }

// AllowsAddress reports whether the key may be used from an address. The zero Addr is one that is not known, which no
// restricted key may be used from.
func (f Found) AllowsAddress(address netip.Addr) bool {
	grant := f.grant()
	return grant[0]&hasNetworks == 0 || allows(grant[networksAt(grant):], address)
}

// RateLimit is Entry.RateLimit.
func (f Found) RateLimit() RateLimit {
	grant := f.grant()
	if grant[0]&hasRateLimit == 0 {
		return RateLimit{}
	}
	return rateLimitAt(grant[rateLimitOffset(grant):])
}

// Namespace is Entry.Namespace.
func (f Found) Namespace() string {
	return f.table.names[f.slot.names:][:f.slot.namespace]
}

// Name is Entry.Name.
func (f Found) Name() string {
	return f.table.names[int(f.slot.names)+int(f.slot.namespace):][:f.slot.name]
}

// Entry decodes all at once.
func (f Found) Entry() Entry {
	return Entry{
		Namespace:   f.Namespace(),
		Name:        f.Name(),
		Tenant:      f.Tenant(),
		Permissions: f.Permissions(),
		Scopes:      f.Scopes(),
		Revision:    f.Revision(),
		NotAfter:    f.NotAfter(),
		Revoked:     f.Revoked(),
		Suspended:   f.Suspended(),
		Expired:     f.Expired(),
		NotGranted:  f.NotGranted(),

		RestrictsAddress: f.RestrictsAddress(),
		RateLimit:        f.RateLimit(),
	}
}

// Source is where the key comes from.
func (f Found) Source() Source {
	rank := int(f.slot.names) + int(f.slot.namespace) + int(f.slot.name)
	return sourceOf(f.table.names[rank:])
}

// grant is the text of the grant, and of whatever stands behind it in the arena.
func (f Found) grant() string { return f.table.arena.at(f.slot.grant) }
