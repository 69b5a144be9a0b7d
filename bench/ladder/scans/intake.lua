-- bench accept --ladder: the body is read and checked, and kept by nobody.

local reading = require "collector.reading"
local scanner = require "collector.scanner"

local function post()
    local place = reading.begin()
    ngx.req.read_body()
    reading.finish(place)
    return ngx.exit(scanner.scan(ngx.req.get_body_data()) and 204 or 400)
end

return { post = post }
