-- Asks the verifier of apikey-operator whether a request may pass, and tells the upstream whose key it bore.
-- For HAProxy 2.5 and later, which has core.httpclient:
--
--   global
--       lua-load /etc/haproxy/apikey.lua
--   frontend web
--       http-request del-header Connection                  # or a client has the next proxy drop our headers
--       http-request del-header ^(?i)x[-_]apikey[-_] -m reg # some upstreams take X_Apikey_ for X-Apikey-
--       http-request lua.apikey http://verifier:9090/auth/forward?permission=read if { path_beg /reports/ }
--
-- The URL's query says what the route demands. Write /auth/forward? where it demands nothing but a good key.

-- What the verifier answers with about a good key. What the client sent under these names never survives.
local identity = {
	"x-apikey-namespace", "x-apikey-name", "x-apikey-tenant", "x-apikey-permissions", "x-apikey-scopes", "x-apikey-revision",
}

-- What is passed on to the verifier: where a key may stand, and what ties logs and traces together.
local passed = { "x-api-key", "authorization", "cookie", "x-request-id", "traceparent", "tracestate" }

-- What a refusal tells the client.
local told = {
	"content-type", "www-authenticate", "cache-control", "x-apikey-reason", "x-request-id", "retry-after", "ratelimit", "ratelimit-policy",
}

local timeout = 5000 -- milliseconds

-- question is the header of the request to the verifier.
local function question(txn, headers)
	local asked = {
		["x-forwarded-method"] = { txn.sf:method() },
		["x-forwarded-uri"] = { txn.sf:pathq() },
		["x-forwarded-for"] = { txn.sf:src() },
	}
	if headers["host"] then
		asked["x-forwarded-host"] = { headers["host"][0] }
	end
	for _, name in ipairs(passed) do
		if headers[name] then
			local values = {}
			for i = 0, #headers[name] do -- HAProxy counts these from 0
				values[#values + 1] = headers[name][i]
			end
			asked[name] = values
		end
	end
	return asked
end

-- refuse ends the request with the verifier's answer.
local function refuse(txn, answer)
	local reply = txn:reply({ status = answer.status, body = answer.body or "" })
	for _, name in ipairs(told) do
		for _, value in pairs(answer.headers and answer.headers[name] or {}) do
			reply:add_header(name, value)
		end
	end
	txn:done(reply)
end

-- closed is for whatever is not the verifier's word: nobody answers, or somebody else does.
local closed = { status = 503 }

core.register_action("apikey", { "http-req" }, function(txn, url)
	local asked = question(txn, txn.http:req_get_headers())
	local answer = core.httpclient():get({ url = url, headers = asked, timeout = timeout })
	local headers = answer and answer.headers or {}
	if answer and answer.status == 200 and headers["x-apikey-namespace"] then
		for _, name in ipairs(identity) do
			txn.http:req_set_header(name, headers[name] and headers[name][0] or "")
		end
	elseif headers["x-apikey-reason"] then
		refuse(txn, answer)
	else
		refuse(txn, closed)
	end
end, 1)
