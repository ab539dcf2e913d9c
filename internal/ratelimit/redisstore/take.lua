-- Takes one request from a counter, as (*ratelimit.Counter).Take does: the comments stand there. All numbers are whole
-- and below 2^53, so that Lua's floating point holds them exactly.
--
-- KEYS[1]: the counter. ARGV: requests, seconds of the period, burst.
-- Returns whether the request passes (1 or 0), how many remain, and RetryAfter and Reset in seconds and nanoseconds.
local requests, period, burst = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local nanos = 1e9
local second = requests * nanos -- the parts of a second

local function floor(a, b) return math.floor(a / b) end
local function ceil(a, b) return math.floor((a + b - 1) / b) end

local function normal(sec, part)
  if part >= second then return sec + 1, part - second end
  return sec, part
end

local function sub(a_sec, a_part, b_sec, b_part)
  if a_part < b_part then return a_sec - b_sec - 1, a_part - b_part + second end
  return a_sec - b_sec, a_part - b_part
end

local function before(a_sec, a_part, b_sec, b_part)
  return a_sec < b_sec or (a_sec == b_sec and a_part < b_part)
end

local time = redis.call('TIME') -- seconds and microseconds: the clock that all replicas share
local now_sec, now_part = tonumber(time[1]), tonumber(time[2]) * 1000 * requests
local latest_sec, latest_part = normal(now_sec + floor(burst * period, requests), now_part + burst * period % requests * nanos)

-- The arrival is kept as seconds, parts, and the requests of the limit that it is counted by.
local arrival_sec, arrival_part = now_sec, now_part
local kept = redis.call('GET', KEYS[1])
if kept then
  local sec, part, per = string.match(kept, '^(%d+) (%d+) (%d+)$')
  if sec then
    sec, part, per = tonumber(sec), tonumber(part), tonumber(per)
    if per ~= requests then sec, part = normal(sec, ceil(part, per) * requests) end
    if before(now_sec, now_part, sec, part) then arrival_sec, arrival_part = sec, part end
    if before(latest_sec, latest_part, sec, part) then arrival_sec, arrival_part = latest_sec, latest_part end
  end
end

local next_sec, next_part = normal(arrival_sec + floor(period, requests), arrival_part + period % requests * nanos)
local allowed, remaining, retry_sec, retry_part = 0, 0, 0, 0
if before(latest_sec, latest_part, next_sec, next_part) then
  retry_sec, retry_part = sub(next_sec, next_part, latest_sec, latest_part)
else
  allowed, arrival_sec, arrival_part = 1, next_sec, next_part
  local left_sec, left_part = sub(latest_sec, latest_part, arrival_sec, arrival_part)
  remaining = floor(left_sec * requests + floor(left_part, nanos), period)
end
local reset_sec, reset_part = sub(arrival_sec, arrival_part, now_sec, now_part)

-- An idle counter goes a second after its burst is whole again. What did not change is not written.
local keep = string.format('%.0f %.0f %.0f', arrival_sec, arrival_part, requests)
if keep ~= kept then
  redis.call('SET', KEYS[1], keep, 'PX', string.format('%.0f', (reset_sec + 2) * 1000))
end
return {allowed, remaining, retry_sec, ceil(retry_part, requests), reset_sec, ceil(reset_part, requests)}
