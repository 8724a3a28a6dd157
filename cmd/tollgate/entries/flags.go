package entries

import (
	"errors"
	"fmt"
	"time"

	"tollgate/keys/audit"
)

// Flags say what is kept of who changed what.
type Flags struct {
	AuditRetention time.Duration `env:"TOLLGATE_AUDIT_RETENTION" default:"2160h" help:"How long the audit log keeps who changed what; 0s keeps no such log (${default})."`
	AuditEntries   int           `env:"TOLLGATE_AUDIT_ENTRIES" default:"100000" help:"How many changes of a workspace the audit log keeps, and a tenth of it is how many refusals (${default})."`
	AuditLog       string        `env:"TOLLGATE_AUDIT_LOG" default:"none" enum:"none,stdout" help:"stdout writes each entry of the audit log there, as a line of JSON, for a log shipper; or none (${default})."`
}

// Check refuses what can't be.
func (f *Flags) Check() error {
	switch {
	case f.AuditRetention != 0 && f.AuditRetention < time.Hour || f.AuditRetention > 87600*time.Hour:
		return errors.New("--audit-retention: 0s, or from 1h to 87600h")
	case f.AuditEntries < 100 || f.AuditEntries > 10_000_000:
		return errors.New("--audit-entries: from 100 to 10000000")
	case f.AuditRetention == 0 && f.AuditLog != "none":
		return fmt.Errorf("--audit-log %s needs an --audit-retention: what is not kept has no entries", f.AuditLog)
	}
	return nil
}

// Options are those of the log.
func (f *Flags) Options() audit.Options {
	o := audit.Options{On: f.AuditRetention > 0, Retention: f.AuditRetention, Entries: f.AuditEntries}
	if f.AuditLog == "stdout" {
		o.Told = ship
	}
	return o
}
