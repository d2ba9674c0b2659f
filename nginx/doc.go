// Package nginx holds the configuration of the proxy in front of nodes.
//
// node.conf works as it is for one node on this host; put your own name and
// certificate in.
package nginx
