-- bench accept --ladder: a Lua handler that looks at nothing.

return { post = function() return ngx.exit(204) end }
