package config

// Variables by which the processes of one system find each other. They are not
// configuration: gori up and gori torture set them for the processes that they start.
const (
	// What gori up tells its nodes: the numbers of open files, the listening
	// sockets that it keeps across their restarts; or that it has reserved the
	// port, which the node then listens on by itself.
	EnvListenFD     = "GORI_LISTEN_FD"
	EnvAdminFD      = "GORI_ADMIN_FD"
	EnvListenShared = "GORI_LISTEN_SHARED"
	// EnvControl tells the nodes where the socket is on which commands ask a
	// running gori up for instances: they are the owner's too.
	EnvControl = "GORI_UP_SOCKET"
	// EnvFaults, set to 1, adds routes to the admin address that break the mesh
	// on purpose, and lets the variables below count.
	EnvFaults = "GORI_FAULTS"
	// EnvTaps names a folder in which gori torture has, for each shard, a folder
	// with a socket: gori up has its nodes connect there, and tells gori torture in
	// a file beside the socket where the shard is.
	EnvTaps = "GORI_TAPS"
	// A process that moves partitions kills itself, or stops itself as SIGSTOP
	// does, when it passes a step for the N-th time: NAME or NAME:N.
	EnvCrash = "GORI_CRASH"
	EnvStop  = "GORI_STOP"
)

// envOwn are all variables that are not configuration.
var envOwn = []string{EnvListenFD, EnvAdminFD, EnvListenShared, "GORI_TEST_PG", "GORI_TEST_LONG", EnvFaults, EnvTaps, EnvCrash, EnvStop, EnvControl}
