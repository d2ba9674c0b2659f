package chat

// AuditActions are what the audit log tells of in this package; the admin page
// has words for each, in both languages. A test holds it against the sources.
var AuditActions = []string{
	"signup", "signup.invited", "login.ok", "login.failed", "login.revoked", "password.changed", "password.failed",
	"user.disabled", "user.enabled", "bot.made", "bot.token", "bot.ended", "bot.webhook", "bot.webhook.ended", "hook.made", "hook.ended",
	"member.removed", "member.role",
}
