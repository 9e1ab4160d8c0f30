-- The endpoints of users, and the confirmation mails to them.

-- name: add_endpoint
-- An existing endpoint keeps its times, and a webhook its secret: the command may have been made before they changed.
INSERT INTO endpoint
  (id, user, channel, address, secret, created_at, sent_at, confirmed, failures, disabled_at, disabled_reason,
  vouched)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (user, channel, address) DO UPDATE SET
  secret = iif(channel = ?, secret, excluded.secret),
  confirmed = max(confirmed, excluded.confirmed), failures = excluded.failures,
  disabled_at = excluded.disabled_at, disabled_reason = excluded.disabled_reason,
  vouched = max(vouched, excluded.vouched), revision = revision + 1, last_error = '', last_error_at = 0;

-- name: endpoints_of
SELECT id, channel, address, secret, created_at, sent_at, confirmed, failures, disabled_at, disabled_reason,
  vouched, revision, previous_secret, previous_until, last_error, last_error_at
FROM endpoint WHERE user = ? ORDER BY created_at, number;

-- name: reserve_confirmation
INSERT INTO confirmation (user_digest, address_digest, until) SELECT :user, :address, :now + :window_ms
WHERE (SELECT count(*) FROM confirmation WHERE user_digest = :user AND until > :now) < :per_user
  AND (SELECT count(*) FROM confirmation WHERE address_digest = :address AND until > :now) < :per_address;

-- name: endpoint_succeeded
UPDATE endpoint SET sent_at=?, failures=0, last_error='', last_error_at=0 WHERE number=?;

-- name: confirm_endpoint
UPDATE endpoint SET confirmed=1 WHERE id=?;

-- name: endpoint_failed
UPDATE endpoint SET failures=? WHERE number=?;

-- name: endpoint_failed_last
UPDATE endpoint SET last_error=?, last_error_at=? WHERE number=?;

-- name: disable_endpoint
UPDATE endpoint SET disabled_at=?, disabled_reason=? WHERE number=?;

-- name: endpoint_number
SELECT number FROM endpoint WHERE user=? AND id=?;

-- name: endpoint_revision
SELECT revision FROM endpoint WHERE number=?;

-- name: delete_endpoint
DELETE FROM endpoint WHERE number=?;

-- name: endpoints_of_user
SELECT number FROM endpoint WHERE user=?;

-- name: has_endpoints
SELECT EXISTS (SELECT 1 FROM endpoint);

-- name: set_endpoint_secret
UPDATE endpoint SET previous_secret = iif(:keep_until, secret, ''), previous_until = :keep_until, secret = :secret,
  revision = revision + 1
WHERE user = :user AND id = :id AND channel = :channel;

-- name: endpoint_by_id
SELECT user, channel FROM endpoint WHERE id=?;
