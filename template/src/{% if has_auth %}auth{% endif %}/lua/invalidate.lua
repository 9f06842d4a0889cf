-- Drops the snapshot of a changed user, and its version with it, so that nobody stores an older one afterwards.
-- KEYS[1]: session:{user}
if redis.call('TYPE', KEYS[1]).ok == 'hash' then
  redis.call('HDEL', KEYS[1], 'user')
  redis.call('HINCRBY', KEYS[1], 'ver', 1)
end
