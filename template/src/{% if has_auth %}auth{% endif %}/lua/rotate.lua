-- Answers a refresh token: the next generation, the same one again, or the end of the session.
-- KEYS[1]: session:{user}
-- ARGV: session id, generation of the token, idle seconds, grace seconds, most repeats of a previous token
-- Returns {outcome, generation to issue, second at which the session ends if it stays idle}.
local key, field = KEYS[1], 's:' .. ARGV[1]
local shown, grace = tonumber(ARGV[2]), tonumber(ARGV[4])

if redis.call('TYPE', key).ok ~= 'hash' then
  return { 'gone', 0, 0 }
end
local ok, session = pcall(cjson.decode, redis.call('HGET', key, field) or '')
ok = ok and type(session) == 'table'
for _, name in ipairs({ 'gen', 'rot', 'rep', 'idle', 'abs' }) do
  ok = ok and type(session[name]) == 'number'
end
if not ok then
  return { 'gone', 0, 0 }
end

local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local in_grace = now - session.rot < grace

if now >= session.idle or now >= session.abs then
  redis.call('HDEL', key, field)
  return { 'expired', 0, 0 }
end
if shown < session.gen - 1 or (shown == session.gen - 1 and not in_grace) then
  redis.call('HDEL', key, field)
  return { 'reused', 0, 0 }
end

local outcome = 'repeated'
if shown == session.gen - 1 then
  if session.rep >= tonumber(ARGV[5]) then
    return { 'exhausted', 0, 0 }
  end
  session.rep = session.rep + 1
elseif shown > session.gen or not in_grace then -- a newer one: Redis lost a write, and we signed the token
  outcome = 'rotated'
  session.gen, session.rot, session.rep, session.seen = shown + 1, now, 0, now
  session.idle = math.min(now + tonumber(ARGV[3]), session.abs)
end

redis.call('HSET', key, field, cjson.encode(session))
local ends = math.ceil(session.idle * 1000)
if redis.call('PTTL', key) < ends - now * 1000 then
  redis.call('PEXPIREAT', key, ends)
end
return { outcome, session.gen, math.floor(session.idle) }
