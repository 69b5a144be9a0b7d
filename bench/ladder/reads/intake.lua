-- bench accept --ladder: the body is read, with its deadline, and looked at by nobody.

local reading = require "collector.reading"

local function post()
    local place = reading.begin()
    ngx.req.read_body()
    reading.finish(place)
    return ngx.exit(ngx.req.get_body_data() and 204 or 400)
end

return { post = post }
