package chat

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Deps is what a Service is made of. Log, Directory, Roster, Inboxes, People,
// Contacts and Hub are required.
type Deps struct {
	Log        Log
	Directory  Directory
	Roster     Roster
	Inboxes    Inboxes
	Invites    Invites // nil: no invite links
	People     People
	Contacts   Contacts
	Attendance Attendance // nil: nobody is told of comings and goings
	Audit      Auditor    // nil: not kept
	Meter      Meter      // nil: not counted
	Hub        *Hub

	Positions   Positions   // nil: what the mesh loses is found only by later notices
	Revocations Revocations // nil: what other nodes take away is only heard of

	MemberLimit int // of a new group that asks for none; DefaultMemberLimit

	Node   string           // this node's name, told in resumed
	Now    func() time.Time // time.Now
	Logger *slog.Logger     // slog.Default()
}

// Service decides what may be said, by whom and in which order, and tells those
// who should hear it after it is committed. Its methods may be called from any
// goroutine.
type Service struct {
	// static after NewService
	log        Log
	directory  Directory
	roster     Roster
	inboxes    Inboxes
	invites    Invites
	people     People
	contacts   Contacts
	attendance Attendance
	interest   Interest
	audit      Auditor
	meter      Meter
	hub        *Hub
	forget     func(UserID, []LoginID) // takes ended logins out of what is remembered; set by NewPeople
	forgetAll  func()                  // all logins
	limit      int                     // members of a new group that asks for none

	positions   Positions
	revocations Revocations

	node   string
	now    func() time.Time
	logger *slog.Logger

	// own locks
	lanes    [hubShards]laneShard
	versions versionTable
	profiles profileCache
	marks    readMarks
	lights   lightBoard
	errands  errands
	repair   repairer

	work     deliveries
	repaired atomic.Int64 // inboxes read because something was not told
	watched  atomic.Bool  // the last look at revocations read all of them
}

// NewService makes a service, or tells which part is missing.
func NewService(d Deps) (*Service, error) {
	for name, missing := range map[string]bool{"Log": d.Log == nil, "Directory": d.Directory == nil,
		"Roster": d.Roster == nil, "Inboxes": d.Inboxes == nil, "People": d.People == nil,
		"Contacts": d.Contacts == nil, "Hub": d.Hub == nil} {
		if missing {
			return nil, fmt.Errorf("chat: NewService needs %s", name)
		}
	}
	svc := &Service{log: d.Log, directory: d.Directory, roster: d.Roster, inboxes: d.Inboxes, invites: d.Invites,
		people: d.People, contacts: d.Contacts, positions: d.Positions, revocations: d.Revocations,
		attendance: d.Attendance, audit: d.Audit, meter: d.Meter, hub: d.Hub,
		limit: d.MemberLimit, node: d.Node, now: d.Now, logger: d.Logger}
	if svc.limit == 0 {
		svc.limit = DefaultMemberLimit
	}
	if svc.meter == nil {
		svc.meter = noMeter{}
	}
	if svc.now == nil {
		svc.now = time.Now
	}
	if svc.logger == nil {
		svc.logger = slog.Default()
	}
	for i := range svc.lanes {
		svc.lanes[i].lanes = make(map[ChannelID]*lane)
	}
	svc.versions.init()
	svc.profiles.init()
	svc.marks.init()
	svc.lights.init()
	svc.repair.init()
	return svc, nil
}

// Run does the background work of the service and its hub until ctx ends, then
// waits for deliveries under way.
func (svc *Service) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(func() { svc.runMarks(ctx) })
	if !mutantRepairs {
		wg.Go(func() { svc.runRepair(ctx) })
	}
	wg.Go(func() { svc.runRevocations(ctx) })
	err := svc.hub.Run(ctx)
	wg.Wait()
	svc.work.stop()
	return err
}

// Hub returns the hub of the service.
func (svc *Service) Hub() *Hub { return svc.hub }

// SetAttendance connects presence, which itself needs the hub. Call it before
// the first session.
func (svc *Service) SetAttendance(a Attendance) { svc.attendance = a }

// SetInterest connects what tells the other nodes of long polls. Call it before
// the first of them.
func (svc *Service) SetInterest(i Interest) { svc.interest = i }

// logFault logs what went wrong on our side where nobody is there to be told.
func (svc *Service) logFault(ctx context.Context, what string, err error) {
	if err == nil || errors.Is(err, context.Canceled) {
		return
	}
	svc.logger.WarnContext(ctx, what, "code", CodeOf(err), "err", err)
}

// note writes the audit log; a failure to write is logged, not passed on.
func (svc *Service) note(ctx context.Context, actor UserID, action, subject string) {
	if svc.audit == nil {
		return
	}
	e := AuditEvent{At: svc.now(), Actor: actor, Action: action, Subject: subject}
	svc.logFault(ctx, "audit", svc.audit.Audit(ctx, e))
}
