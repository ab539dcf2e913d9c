-- The health of an ApiKey for Argo CD. It needs none of Lua's libraries (resource.customizations.useOpenLibs stays off).
--
-- A key that is suspended, revoked or expired is healthy, since it is what its spec says, and its message tells. Argo CD
-- goes on to the next sync wave only when all of a wave is Healthy: with "Suspended" here, a key that is suspended in an
-- incident would hold up every later wave, and with them the deployment that ends the incident.
local suspended = "Healthy"

-- What can be done about a key that does not work because of what its spec says.
local advice = {
  Revoked = "; remove the ApiKey from Git when it need no longer be seen",
  Expired = "; set a later spec.expiresAt for a new credential, or remove the ApiKey from Git",
}

local status = obj.status or {}
local conditions = {}
for _, condition in ipairs(status.conditions or {}) do
  if condition.status == "True" or condition.type == "Ready" then
    conditions[condition.type] = condition
  end
end

-- The status may speak of an earlier spec, or, with -1, of none yet.
if status.observedGeneration ~= obj.metadata.generation or conditions.Ready == nil then
  return {
    status = "Progressing",
    message = "the manager has not looked at this spec yet; if that lasts, see whether apikey-operator-manager runs",
  }
end

local ready = conditions.Ready
local said = (ready.reason or "") .. ": " .. (ready.message or "")

if conditions.Stalled ~= nil then
  return { status = "Degraded", message = said }
end
if ready.status ~= "True" then
  return { status = "Progressing", message = said }
end
if ready.reason == "Suspended" then
  return { status = suspended, message = said }
end
if advice[ready.reason] ~= nil then
  return { status = "Healthy", message = said .. advice[ready.reason] }
end

-- It works. A rotation by the clock goes on beside that, and is no reason to wait.
for _, kind in ipairs({ "PolicyWarning", "Expiring", "Reconciling" }) do
  if conditions[kind] ~= nil then
    said = said .. "; " .. conditions[kind].message
  end
end
return { status = "Healthy", message = said }
