package client

import (
	"context"
	"net/http"
)

// Login is a login of the account: what one device's token stands for.
type Login struct {
	ID         LoginID `json:"id"`
	DeviceName string  `json:"device_name"`
	CreatedAt  Millis  `json:"created_at"`
	Current    bool    `json:"current"`
}

// Logins lists the account's logins.
func (c *Client) Logins(ctx context.Context) ([]Login, error) {
	var out struct {
		Logins []Login `json:"logins"`
	}
	err := c.do(ctx, call{method: http.MethodGet, path: "/logins", out: &out, repeatable: true})
	return out.Logins, err
}

// RevokeLogin ends a login: nothing more reaches its device.
func (c *Client) RevokeLogin(ctx context.Context, id LoginID) error {
	return c.do(ctx, call{method: http.MethodDelete, path: "/logins/" + id.String(), repeatable: true})
}

// Login is the login of this client, known after SignUp or LogIn.
func (c *Client) Login() LoginID { return c.login }
