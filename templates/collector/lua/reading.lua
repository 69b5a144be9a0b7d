-- Managed by primetime (roles/collector); edits are lost
-- A body has a deadline as a whole. nginx only ends clients that say nothing (client_body_timeout); one that sends a
-- byte now and then would keep its place for days. Called by intake.lua around the reading of each body, so it makes no
-- system call and no garbage. Where reading fails, the request ends without coming back here: what stands in a place
-- may be about a request that is gone, and is compared before anything is done about it.

local ffi = require "ffi"
local base = require "resty.core.base"
local clock = require "collector.clock"
local config = require "collector.config"

local C = ffi.C

ffi.cdef [[ /* how two of nginx' structures begin, in all its versions so far */
struct reading_request;
struct reading_connection { struct reading_request *request; void *read, *write; int fd; };
struct reading_request { uint32_t signature; struct reading_connection *connection; };
struct reading_place { double deadline; struct reading_request *request; struct reading_connection *connection; };
int shutdown(int fd, int how);
]]

local SHUT_RDWR = 2
local SWEEP_S = 1

local request_type = ffi.typeof("struct reading_request *")
local PLACES = config.open_files
local places = ffi.new("struct reading_place[?]", PLACES) -- by file descriptor; a deadline of 0: nothing is being read
local highest = 0

local M = {}

-- The body of the current request is being read. Returns its place, for finish().
function M.begin()
    local request = ffi.cast(request_type, base.get_request())
    local fd = request.connection.fd
    if fd >= PLACES then return 0 end -- the limit of open files is not the collector's own: no deadline then
    local place = places[fd]
    place.deadline, place.request, place.connection = clock.now() + config.body_deadline_s, request, request.connection
    if fd > highest then highest = fd end
    return fd
end

function M.finish(fd)
    places[fd].deadline = 0
end

-- nginx never frees a connection's structure, and lets it point to another request, or to none, when this one is gone.
local function is_same(place, fd)
    return place.connection.fd == fd and place.connection.request == place.request
end

-- Ends the connections whose bodies are late: nginx reads the end, and gives up the request.
local function sweep()
    local now = clock.now()
    for fd = 0, highest do
        local place = places[fd]
        if place.deadline > 0 and place.deadline <= now then
            place.deadline = 0
            if is_same(place, fd) then C.shutdown(fd, SHUT_RDWR) end
        end
    end
end

function M.start()
    assert(ngx.timer.every(SWEEP_S, sweep))
end

return M
