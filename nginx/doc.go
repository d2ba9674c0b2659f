// Package nginx renders the configuration of the proxy in front of the nodes,
// and runs Nginx with it.
//
// The configuration is a function of Config alone, so what `gori nginx` prints
// is what `gori up` runs. Proxy owns the Nginx process it has started: Start
// returns once Nginx accepts connections, Stop returns once it is gone. A new
// configuration is tried with `nginx -t` before Nginx is told to load it.
package nginx
