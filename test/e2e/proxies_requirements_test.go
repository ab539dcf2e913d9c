package e2e

// requirementCases have every kind of requirement, met and not met.
func requirementCases() map[string]proxyCase {
	const rules = "/rules/x"
	return map[string]proxyCase{
		"a permission":                       {request: get("/read/", "X-API-Key: {reader}"), want: passes("reader")},
		"two, one by a wildcard":             {request: get("/read-and-view/", "X-API-Key: {writer}"), want: passes("writer")},
		"two, one lacking":                   {request: get("/read-and-view/", "X-API-Key: {reader}"), want: refused(403, "permission_denied")},
		"a permission by *":                  {request: get("/admin/", "X-API-Key: {all}"), want: passes("all")},
		"a rule for GET":                     {request: get(rules, "X-API-Key: {reader}"), want: passes("reader")},
		"a rule for HEAD":                    {request: send("HEAD "+rules+" HTTP/1.1", "", "X-API-Key: {reader}"), want: passes("reader")},
		"a rule for HEAD, lacking":           {request: send("HEAD "+rules+" HTTP/1.1", "", "X-API-Key: {bare}"), want: refused(403, "permission_denied")},
		"a rule for POST":                    {request: send("POST "+rules+" HTTP/1.1", "body", "X-API-Key: {writer}"), want: passes("writer"), upstream: bodyArrives("body")},
		"a rule for POST, lacking":           {request: send("POST "+rules+" HTTP/1.1", "body", "X-API-Key: {reader}"), want: refused(403, "permission_denied")},
		"a rule for DELETE":                  {request: send("DELETE "+rules+" HTTP/1.1", "", "X-API-Key: {all}"), want: passes("all")},
		"a rule for DELETE, lacking":         {request: send("DELETE "+rules+" HTTP/1.1", "", "X-API-Key: {writer}"), want: refused(403, "permission_denied")},
		"a method without a rule":            {request: send("PATCH "+rules+" HTTP/1.1", "body", "X-API-Key: {all}"), want: refused(403, "permission_denied")},
		"OPTIONS without a rule":             {request: send("OPTIONS "+rules+" HTTP/1.1", "", "X-API-Key: {all}"), want: refused(403, "permission_denied")},
		"GET, asked by POST":                 {request: get("/asked-by-post/", "X-API-Key: {reader}"), want: passes("reader")},
		"POST, asked by POST":                {request: send("POST /asked-by-post/ HTTP/1.1", "body", "X-API-Key: {reader}"), want: refused(403, "permission_denied")},
		"a tenant":                           {request: get("/acme/", "X-API-Key: {reader}"), want: passes("reader")},
		"no tenant":                          {request: get("/acme/", "X-API-Key: {bare}"), want: refused(403, "tenant_mismatch")},
		"a scope":                            {request: get("/general/", "X-API-Key: {reader}"), want: passes("reader")},
		"a scope, written with %":            {request: get("/encoded/", "X-API-Key: {reader}"), want: passes("reader")},
		"a scope, written with %, lacking":   {request: get("/encoded/", "X-API-Key: {all}"), want: refused(403, "scope_mismatch")},
		"a namespace":                        {request: get("/of-namespace/", "X-API-Key: {bare}"), want: passes("bare")},
		"all kinds at once":                  {request: get("/everything/", "X-API-Key: {reader}"), want: passes("reader")},
		"all kinds at once, one lacking":     {request: get("/everything/", "X-API-Key: {writer}"), want: refused(403, "tenant_mismatch")},
		"the longest identity":               {request: get("/any/", "X-API-Key: {verbose}"), want: passes("verbose")},
		"a demand in the client's query":     {request: get("/any/?permission=admin&tenant=x&cache=300&nonsense=1", "X-API-Key: {bare}"), want: passes("bare")},
		"a relief in the client's query":     {request: get("/read/?permission=", "X-API-Key: {bare}"), want: refused(403, "permission_denied")},
		"another rule in the client's query": {request: send("DELETE /rules/?rule=*:read HTTP/1.1", "", "X-API-Key: {reader}"), want: refused(403, "permission_denied")},
	}
}
