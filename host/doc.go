// Package host keeps a whole system running on one host, for gori up: PostgreSQL
// instances, nodes and the proxy before them. What dies is started again, what
// keeps dying is taken out, nodes are replaced one by one, and commands find in the
// data folder what runs and whom to ask for an instance more.
package host
