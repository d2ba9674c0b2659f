package local

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// writeConf writes the server's configuration anew at every start, so that a
// newer Gori brings its own settings. What an owner wants otherwise goes into
// custom.conf beside it, which is read last.
func writeConf(pgData string, cfg Config, sockets string, acc account, more []string) error {
	fsync, durable := "on", "on"
	if cfg.Throwaway {
		fsync = "off"
		// A pair's promises to each other hold also without a safe disk.
		if !cfg.Paired {
			durable = "off"
		}
	}
	lines := []string{
		"# Written by Gori at each start. Put your own settings into custom.conf beside this file.",
		"listen_addresses = ''",
		"port = 5432",
		"unix_socket_directories = " + quote(sockets),
		"unix_socket_permissions = 0700",
		fmt.Sprintf("max_connections = %d", cfg.MaxConnections),
		fmt.Sprintf("shared_buffers = '%dMB'", cfg.SharedBuffersMB),
		"dynamic_shared_memory_type = posix",
		"fsync = " + fsync,
		"full_page_writes = " + durable,
		"synchronous_commit = " + durable,
		// Crash recovery replays at most this much: seconds, not a minute.
		fmt.Sprintf("max_wal_size = '%dMB'", cfg.MaxWALMB),
		"min_wal_size = '64MB'",
		"checkpoint_timeout = '5min'",
		"checkpoint_completion_target = 0.9",
		"wal_compression = on",
		"wal_buffers = '8MB'",
		"jit = off",
		"random_page_cost = 1.1",
		"autovacuum_vacuum_scale_factor = 0.05",
		"autovacuum_naptime = '30s'",
		"default_transaction_isolation = 'read committed'",
		"timezone = 'UTC'",
		"lc_messages = 'C'",
		"log_timezone = 'UTC'",
		"logging_collector = off",
		"log_destination = 'stderr'",
		"log_line_prefix = '%m [%p] %e '",
		"log_checkpoints = off",
		"log_autovacuum_min_duration = -1",
	}
	lines = append(lines, more...)
	lines = append(lines, "include_if_exists 'custom.conf'", "")
	hba := "# Written by Gori. Only who may enter the socket's folder reaches this server.\nlocal all all trust\nlocal replication all trust\n"
	for name, text := range map[string]string{"postgresql.conf": strings.Join(lines, "\n"), "pg_hba.conf": hba} {
		if err := writeOwned(filepath.Join(pgData, name), text, acc); err != nil {
			return err
		}
	}
	return nil
}

// writeOwned replaces a file as a whole: a crash leaves the old or the new one.
func writeOwned(path, text string, acc account) error {
	tmp := path + ".new"
	if err := os.WriteFile(tmp, []byte(text), 0o600); err != nil {
		return err
	}
	if err := acc.own(tmp); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

// quote writes a string setting of postgresql.conf.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
