-- Managed by primetime (roles/collector); edits are lost
-- The system calls of the spool, each true (or a number) or nil and a sentence. All of them may block, so only
-- segment.lua and slot.lua call them, in a thread of the pool, never the event loop.

local ffi = require "ffi"
local bit = require "bit"

local C = ffi.C

ffi.cdef [[
struct spool_timestamp { int64_t sec; uint32_t nsec; int32_t pad; };
struct spool_statx { /* the one stat structure that is the same on every architecture */
    uint32_t mask, blksize; uint64_t attributes; uint32_t nlink, uid, gid; uint16_t mode, pad;
    uint64_t ino, size, blocks, attributes_mask;
    struct spool_timestamp atime, btime, ctime, mtime; uint32_t rest[32];
};
struct spool_dirent { uint64_t ino; int64_t off; unsigned short reclen; unsigned char type; char name[256]; };
struct spool_flock { short type, whence; int64_t start, len; int pid; };
struct spool_timespec { long sec, nsec; };
int open(const char *path, int flags, ...);
int close(int fd);
ssize_t pread(int fd, void *buffer, size_t length, int64_t offset);
ssize_t pwrite(int fd, const void *buffer, size_t length, int64_t offset);
int fallocate(int fd, int mode, int64_t offset, int64_t length);
int ftruncate(int fd, int64_t length);
int fdatasync(int fd);
int fsync(int fd);
int flock(int fd, int operation);
int fcntl(int fd, int command, ...);
int futimens(int fd, const struct spool_timespec times[2]);
int statx(int directory, const char *path, int flags, unsigned mask, struct spool_statx *result);
int rename(const char *from, const char *to);
int link(const char *from, const char *to);
int unlink(const char *path);
void *opendir(const char *path);
struct spool_dirent *readdir(void *directory);
int closedir(void *directory);
int getpid(void);
ssize_t getrandom(void *buffer, size_t length, unsigned flags);
char *strerror(int number);
]]

local AT_FDCWD, STATX_BASIC = -100, 0x7FF
local LOCK_EX, LOCK_NB, F_OFD_SETLK, F_WRLCK = 2, 4, 37, 1
local MODE = ffi.new("unsigned int", 416) -- 0640: the shipper reads by the folder's group

local M = { RDONLY = 0, RDWR = 2, CREAT = 64, EXCL = 128, TRUNC = 512, ENOENT = 2, EINTR = 4, EEXIST = 17 }
local CLOEXEC = 0x80000

local function failed(what)
    local number = ffi.errno()
    return nil, what .. ": " .. ffi.string(C.strerror(number)), number
end

local function checked(result, what)
    if result < 0 then return failed(what) end
    return true
end

function M.open(path, flags)
    local fd = C.open(path, bit.bor(flags, CLOEXEC), MODE)
    if fd < 0 then return failed("open " .. path) end
    return fd
end

function M.close(fd) return checked(C.close(fd), "close") end
function M.reserve(fd, length) return checked(C.fallocate(fd, 0, 0, length), "reserve " .. length .. " bytes") end
function M.truncate(fd, length) return checked(C.ftruncate(fd, length), "ftruncate") end
function M.sync_data(fd) return checked(C.fdatasync(fd), "fdatasync") end
function M.sync(fd) return checked(C.fsync(fd), "fsync") end
function M.rename(from, to) return checked(C.rename(from, to), "rename to " .. to) end
function M.link(from, to) return checked(C.link(from, to), "link " .. to) end
function M.unlink(path) return checked(C.unlink(path), "unlink " .. path) end
function M.lock(fd) return checked(C.flock(fd, bit.bor(LOCK_EX, LOCK_NB)), "flock") end

-- Locks one byte until the file is closed. Like flock, and unlike plain fcntl locks, it belongs to the open file.
function M.lock_byte(fd, byte)
    local range = ffi.new("struct spool_flock", { F_WRLCK, 0, byte, 1, 0 })
    return checked(C.fcntl(fd, F_OFD_SETLK, range), "lock")
end

-- All of `length` bytes, or nil and why.
function M.write(fd, buffer, length, offset)
    buffer = ffi.cast("const char *", buffer)
    local written = 0
    while written < length do
        local n = tonumber(C.pwrite(fd, buffer + written, length - written, offset + written))
        if n > 0 then
            written = written + n
        elseif n == 0 or ffi.errno() ~= M.EINTR then
            return failed("write")
        end
    end
    return true
end

-- The first 63 bytes of a small file, or nil and why.
function M.read(path)
    local fd, problem, number = M.open(path, M.RDONLY)
    if not fd then return nil, problem, number end
    local buffer = ffi.new("char[63]")
    local n = tonumber(C.pread(fd, buffer, 63, 0))
    local text, why = n >= 0 and ffi.string(buffer, n) or nil, n < 0 and "read " .. path
    C.close(fd)
    return text, why
end

-- A folder's entries are only on disk when the folder itself is synced.
function M.sync_folder(path)
    local fd, problem = M.open(path, M.RDONLY)
    if not fd then return nil, problem end
    local ok, why = M.sync(fd)
    C.close(fd)
    return ok, why
end

function M.names(path)
    local folder = C.opendir(path)
    if folder == nil then return failed("open " .. path) end
    local names = {}
    local entry = C.readdir(folder)
    while entry ~= nil do
        names[#names + 1] = ffi.string(entry.name)
        entry = C.readdir(folder)
    end
    C.closedir(folder)
    return names
end

-- Bytes a file takes on disk, and its time of change in seconds; nil when it is not there.
function M.stat(path)
    local result = ffi.new("struct spool_statx")
    if C.statx(AT_FDCWD, path, 0, STATX_BASIC, result) < 0 then return nil end
    return tonumber(result.blocks) * 512, tonumber(result.mtime.sec)
end

function M.set_time(fd, seconds)
    local times = ffi.new("struct spool_timespec[2]", { { seconds, 0 }, { seconds, 0 } })
    return checked(C.futimens(fd, times), "set time")
end

function M.random(length)
    local buffer = ffi.new("uint8_t[?]", length)
    assert(C.getrandom(buffer, length, 0) == length, "getrandom failed")
    return buffer
end

function M.pid() return C.getpid() end

return M
