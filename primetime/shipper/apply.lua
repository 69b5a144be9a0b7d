#!lua
-- Counts one batch of a source and moves its position: all of it or, when the position is another, nothing.
-- Called by primetime/shipper/redis_sink.py; KEYS[1] is the position, ARGV[1] the batch as JSON (counting.py).
-- Returns {1, '', events counted, events seen before}, {0, the position}, or {2, ''} while somebody holds the fence, to
-- compare the counts with HBase (primetime/audit/reconcile.py): then nothing is counted, and the call is made again.

local call = redis.call
local batch = cjson.decode(ARGV[1])
local CHUNK = 1000 -- arguments a call; Lua's stack holds a few thousand

if call('EXISTS', 'fence') == 1 then
  return {2, ''}
end
local position = call('GET', KEYS[1]) or ''
if position ~= batch.from then
  return {0, position}
end

-- Which of the batch's identities were counted before. `seen:<quarter>` says that a quarter of an hour has any.
local function seen_before(sets)
  local index, found = 1, {}
  for group = 1, #batch.groups, 2 do
    local last = index + batch.groups[group + 1] - 1
    for _, set in ipairs(sets) do
      local there = call('SMISMEMBER', set .. batch.groups[group], unpack(batch.members, index, last))
      for place = 1, #there do
        if there[place] == 1 then
          found[index + place - 1] = true
        end
      end
    end
    index = last + 1
  end
  return found
end

local function remember(set)
  local index = 1
  for group = 1, #batch.groups, 2 do
    local last = index + batch.groups[group + 1] - 1
    local key = set .. batch.groups[group]
    call('SADD', key, unpack(batch.members, index, last))
    call('EXPIRE', key, batch.keep_s, 'NX')
    index = last + 1
  end
end

local repeated = 0
if #batch.members > 0 then
  local sets = {}
  for _, quarter in ipairs(batch.quarters) do
    if call('EXISTS', 'seen:' .. quarter) == 1 then
      sets[#sets + 1] = 'seen:' .. quarter .. ':'
    end
  end
  local seen = seen_before(sets)
  for index in pairs(seen) do
    local field = batch.fields[batch.field_of[index]]
    field[3] = field[3] - 1
    repeated = repeated + 1
  end
  call('SET', 'seen:' .. batch.quarters[1], 1, 'EX', batch.keep_s)
  remember('seen:' .. batch.quarters[1] .. ':')
end

local totals = {}
for _, field in ipairs(batch.fields) do
  local show, name, count = field[1], field[2], field[3]
  if count > 0 then
    call('HINCRBY', 'count:' .. show, name, count)
    totals[show] = (totals[show] or 0) + count
  end
end
for show, count in pairs(totals) do
  call('INCRBY', 'total:' .. show, count)
end

-- A vote is `<pos_ms>:<id>:<choice>`; the highest wins, so it does not matter which comes first.
local function parts(vote)
  local pos_ms, id, choice = string.match(vote, '^(%d+):(%w+):(.*)$')
  return tonumber(pos_ms), id, choice
end

local function wins(vote, other)
  local pos_ms, id, choice = parts(vote)
  local other_pos_ms, other_id, other_choice = parts(other)
  if pos_ms ~= other_pos_ms then return pos_ms > other_pos_ms end
  if id ~= other_id then return id > other_id end
  return choice > other_choice
end

local function cast(poll, first, last)
  local standing = call('HMGET', poll.vote, unpack(poll.users, first, last))
  local moves, changed = {}, {}
  for index = first, last do
    local before, after = standing[index - first + 1], poll.votes[index]
    if not before or wins(after, before) then
      changed[#changed + 1] = poll.users[index]
      changed[#changed + 1] = after
      local _, _, choice = parts(after)
      moves[choice] = (moves[choice] or 0) + 1
      if before then
        local _, _, old = parts(before)
        moves[old] = (moves[old] or 0) - 1
      end
    end
  end
  if #changed > 0 then
    call('HSET', poll.vote, unpack(changed))
  end
  for choice, move in pairs(moves) do
    if move ~= 0 and call('HINCRBY', poll.tally, choice, move) == 0 then
      call('HDEL', poll.tally, choice)
    end
  end
end

for _, poll in ipairs(batch.polls) do
  for first = 1, #poll.users, CHUNK do
    cast(poll, first, math.min(first + CHUNK - 1, #poll.users))
  end
end

if batch.gap then
  call('HSET', batch.gap.key, batch.gap.from, batch.gap.to)
end
call('SET', KEYS[1], batch.to)
return {1, '', #batch.members - repeated, repeated}
