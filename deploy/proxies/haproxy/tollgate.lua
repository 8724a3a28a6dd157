-- Asks Tollgate whether a request may go on:
--
--     http-request lua.tollgate "/NAME"
--
-- NAME is a policy of --forward-auth-policies. docs/proxies/haproxy.md says how to use it.
-- Where the answer is 200, the variable txn.tollgate is "allowed" and the request has the
-- identity. Every other answer is given to the client. Where this script fails, the variable is
-- not set, and the rule behind it in haproxy.cfg refuses.

-- The frontend of haproxy.cfg, which knows the gateways.
local GATEWAYS = os.getenv("TOLLGATE_SOCKET") or "abns@tollgate"

-- Where clients send keys. Nothing else of a request is sent to Tollgate. A policy that looks
-- elsewhere, in a cookie for example, needs that header here.
local KEY_HEADERS = { "authorization", "x-api-key" }

local IDENTITY = {
    "x-key-id", "x-key-api-id", "x-key-remaining", "x-key-external-id", "x-key-owner",
    "x-key-name", "x-key-roles", "x-key-permissions", "x-key-meta",
}

-- What a client is told with a refusal. Another status is 503 to it.
local REFUSALS = { [400] = true, [401] = true, [403] = true, [429] = true, [431] = true, [503] = true }
local PASSED_ON = {
    "content-type", "cache-control", "www-authenticate", "retry-after",
    "ratelimit", "ratelimit-policy", "x-tollgate-code",
}

-- For a question that is a query, such as "?apiId=*". Policies have root keys of their own.
local root_key = os.getenv("TOLLGATE_PROXY_ROOT_KEY")

-- HAProxy counts the lines of a header from 0, and of a request for the client from 1.
local function lines_of(headers, name)
    local lines, i = {}, 0
    while headers[name] and headers[name][i] do
        lines[#lines + 1] = headers[name][i]
        i = i + 1
    end
    return lines
end

local function question_of(txn)
    local from = txn.http:req_get_headers()
    local to = {
        ["host"] = { "tollgate" },
        ["x-forwarded-for"] = { txn.f:src() },
        ["x-forwarded-method"] = { txn.f:method() },
        ["x-forwarded-uri"] = { txn.f:pathq() },
        ["x-forwarded-host"] = lines_of(from, "host"),
    }
    for _, name in ipairs(KEY_HEADERS) do
        local lines = lines_of(from, name)
        if #lines > 0 then
            to[name] = lines
        end
    end
    if root_key then
        to["x-tollgate-root-key"] = { root_key }
    end
    return to
end

local function allow(txn, answer)
    for _, name in ipairs(IDENTITY) do
        txn.http:req_set_header(name, (answer.headers[name] or {})[0] or "")
    end
    for variable, name in pairs({ tollgate_limits = "ratelimit", tollgate_policy = "ratelimit-policy" }) do
        local lines = answer.headers[name]
        if lines then
            txn:set_var("txn." .. variable, lines[0])
        end
    end
    txn:set_var("txn.tollgate", "allowed")
end

local function refuse(txn, answer)
    local reply = txn:reply({ status = 503 })
    if REFUSALS[answer.status] then
        reply:set_status(answer.status)
        reply:set_body(answer.body)
        for _, name in ipairs(PASSED_ON) do
            for _, line in ipairs(lines_of(answer.headers, name)) do
                reply:add_header(name, line)
            end
        end
    end
    txn:done(reply)
end

core.register_action("tollgate", { "http-req" }, function(txn, question)
    local answer = core.httpclient():get({
        url = "http://tollgate/forward-auth" .. question,
        dst = GATEWAYS,
        headers = question_of(txn),
        timeout = 2500, -- ms; those of the backend are shorter
    })
    if answer.status == 200 then
        allow(txn, answer)
    else
        refuse(txn, answer)
    end
end, 1)
