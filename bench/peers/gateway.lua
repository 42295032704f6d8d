-- Verifies a notification and hands it on as JSON: what somebody would write who has nginx already.
local cjson = require "cjson.safe"
local digest = require "openssl.digest"
local pkey = require "openssl.pkey"

return function(key_file)
  local file = assert(io.open(key_file))
  local key = pkey.new(file:read("*a"), "PEM")
  file:close()

  local function verified()
    ngx.req.read_body()
    local params = ngx.req.get_post_args(64)
    local sign = params and type(params.sign) == "string" and ngx.decode_base64(params.sign)
    if not sign or params.sign_type ~= "RSA2" then return nil end
    params.sign, params.sign_type = nil, nil
    local names = {}
    for name, value in pairs(params) do
      if type(value) ~= "string" then return nil end
      names[#names + 1] = name
    end
    table.sort(names)
    for place, name in ipairs(names) do names[place] = name .. "=" .. params[name] end
    local hash = digest.new("sha256")
    hash:update(table.concat(names, "&"))
    local ok, holds = pcall(key.verify, key, sign, hash)
    return ok and holds and params or nil
  end

  return function()
    local answer = "fail"
    local params = verified()
    if params then
      params.biz_content = cjson.decode(params.biz_content)
      local app = ngx.location.capture("/app", { method = ngx.HTTP_POST, body = cjson.encode(params) })
      if app.status >= 200 and app.status < 300 then answer = "success" end
    end
    ngx.header.content_type = "text/plain"
    ngx.header.content_length = #answer
    ngx.print(answer)
  end
end
