-- Adds a session to a user's hash and drops what is over: expired ones, and the oldest above the most of its kind.
-- KEYS[1]: session:{user}
-- ARGV: session id, idle seconds, absolute seconds, most sessions, version for a new hash, user agent, address, kind
-- Returns the second at which the session ends if it stays idle.
local key, sid = KEYS[1], ARGV[1]
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000

if redis.call('TYPE', key).ok ~= 'hash' then
  redis.call('DEL', key)
end

local live, same = {}, {}
local all = redis.call('HGETALL', key)
for i = 1, #all, 2 do
  if string.sub(all[i], 1, 2) == 's:' then
    local ok, session = pcall(cjson.decode, all[i + 1])
    ok = ok and type(session) == 'table'
    for _, field in ipairs({ 'created', 'idle', 'abs' }) do
      ok = ok and type(session[field]) == 'number'
    end
    if ok and session.idle > now and session.abs > now then
      local other = { field = all[i], created = session.created, idle = session.idle }
      table.insert(live, other)
      if (session.kind or 'cookie') == ARGV[8] then
        table.insert(same, other)
      end
    else
      redis.call('HDEL', key, all[i])
    end
  end
end

table.sort(same, function(a, b) return a.created < b.created end)
while #same >= tonumber(ARGV[4]) do
  local oldest = table.remove(same, 1)
  redis.call('HDEL', key, oldest.field)
  oldest.idle = 0
end

local abs = now + tonumber(ARGV[3])
local idle = math.min(now + tonumber(ARGV[2]), abs)
local session = {
  gen = 1, rot = 0, rep = 0, seen = now, created = now, idle = idle, abs = abs, ua = ARGV[6], ip = ARGV[7],
  kind = ARGV[8],
}
redis.call('HSET', key, 's:' .. sid, cjson.encode(session))
redis.call('HSETNX', key, 'ver', ARGV[5])

local longest = idle
for _, other in ipairs(live) do
  longest = math.max(longest, other.idle)
end
redis.call('PEXPIREAT', key, math.ceil(longest * 1000))
return math.floor(idle)
