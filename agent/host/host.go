// Package host tells who an agent is: the name that all its events bear, and what its batches say of the host.
//
//	on EC2 (by the firmware's word) ─► IMDSv2 ─► id = instance id; account, region, tags
//	elsewhere                       ─► id = hash of the machine id, or a random one kept beside the spool
//
// A host that is not on EC2 is never asked over the network. One that is has a second for each answer; its tags and addresses are looked up again
// whenever [Host.Agent] is asked for, which is at each heartbeat.
package host

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"

	"github.com/yagura-hids/yagura/internal/event"
)

// Options say where to look. The zero value is this host.
type Options struct {
	State  string           // folder in which a random id is kept, if this host has none of its own
	Root   string           // a folder laid out like /, for what is read from files; "" for / itself
	IMDS   string           // URL of the metadata service; "" for what the environment says, or EC2's own
	HTTP   *http.Client     // to it; nil for one that waits a second for each answer
	Report func(msg string) // tells of trouble; nil for nothing
}

// Host is this host.
type Host struct {
	ID     string // of the agent: the instance id, or 16 hexadecimal digits
	Region string // of the instance; "" elsewhere
	Kernel string // like "Linux 6.1.0-18-cloud-arm64"
	EC2    bool   // this is an instance of EC2

	opts    Options
	service *service // nil elsewhere

	mu     sync.Mutex  // guards what follows
	agent  event.Agent // without labels
	labels map[string]string
	tags   map[string]string
}

// Identify finds out who this is. It returns an error only if there is no way to have an id that is the same at the next start.
func Identify(ctx context.Context, o Options) (*Host, error) {
	if o.Report == nil {
		o.Report = func(string) {}
	}
	h := &Host{opts: o, EC2: onEC2(o)}
	name, err := os.Hostname()
	if err != nil {
		o.Report(fmt.Sprintf("the host's name: %v", err))
	}
	system, kernel := describe(o.Root)
	h.Kernel = kernel
	h.agent = event.Agent{Name: name, OS: runtime.GOOS + "/" + runtime.GOARCH + " " + system}
	if h.EC2 {
		h.service = newService(o)
		h.instance(ctx)
	}
	if h.ID == "" {
		if h.ID, err = machineID(o); err != nil {
			return nil, err
		}
	}
	return h, nil
}

// instance takes over what EC2 tells. If its service does not answer, the firmware still knows the id, so that an agent never changes its name for
// a slow answer.
func (h *Host) instance(ctx context.Context) {
	doc, err := h.service.document(ctx)
	if err != nil {
		h.ID = assetTag(h.opts.Root)
		h.agent.Instance = h.ID
		h.opts.Report(fmt.Sprintf("instance metadata: %v; account, region and tags are unknown until it answers; see that IMDSv2 is enabled, "+
			"and its hop limit at least 2 for a container", err))
		return
	}
	h.ID, h.Region = doc.InstanceID, doc.Region
	h.agent.Instance, h.agent.Account, h.agent.Image = doc.InstanceID, doc.AccountID, doc.ImageID
}

// Refresh looks up what may change: addresses and tags. What can't be told at the moment stays as it was.
func (h *Host) Refresh(ctx context.Context) {
	list := addresses()
	told, tags, err := h.metadata(ctx)
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(list) > 0 {
		h.agent.Addresses = list
	}
	if err != nil {
		return
	}
	h.agent.Account, h.agent.Image = told.Account, told.Image
	h.tags = tags
}

// metadata returns what EC2 tells of an instance beside its id: its account, its image, its tags.
func (h *Host) metadata(ctx context.Context) (told event.Agent, tags map[string]string, err error) {
	if h.service == nil {
		return event.Agent{}, nil, nil
	}
	h.mu.Lock()
	told = h.agent
	h.mu.Unlock()
	if told.Account == "" {
		doc, err := h.service.document(ctx)
		if err != nil {
			return event.Agent{}, nil, err
		}
		told.Account, told.Image = doc.AccountID, doc.ImageID
	}
	tags, err = h.service.tags(ctx)
	return told, tags, err
}

// SetConfig takes over what a configuration says of the host: its labels and its profiles.
func (h *Host) SetConfig(labels map[string]string, profiles []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.labels, h.agent.Profile = labels, strings.Join(profiles, ",")
}

// imageLabel is the label that names the image that a host was made from, where there is no EC2 to tell.
const imageLabel = "image"

// Agent looks up what may have changed and returns what batches say of the host. Its labels are the operator's, and tag:NAME for each tag.
func (h *Host) Agent(ctx context.Context) event.Agent {
	h.Refresh(ctx)
	h.mu.Lock()
	defer h.mu.Unlock()
	a := h.agent
	if len(h.labels)+len(h.tags) > 0 {
		a.Labels = map[string]string{}
	}
	for name, value := range h.labels {
		a.Labels[name] = value
	}
	for name, value := range h.tags {
		a.Labels["tag:"+name] = value
	}
	if !h.EC2 {
		a.Image = h.labels[imageLabel]
	}
	return a
}

// machineID returns an id that this host keeps.
func machineID(o Options) (string, error) {
	if id := hardware(o.Root); id != "" {
		return derive(id), nil
	}
	file := filepath.Join(o.State, "agent-id")
	kept, err := os.ReadFile(file)
	if err == nil && idForm.Match(kept) {
		return string(kept), nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("agent id: %w", err)
	}
	var random [8]byte
	_, _ = rand.Read(random[:]) // never fails
	id := hex.EncodeToString(random[:])
	if err := os.WriteFile(file, []byte(id), 0o600); err != nil {
		return "", fmt.Errorf("agent id: this host has no machine id, and a random one can't be kept: %w; run systemd-machine-id-setup, or make the folder writable", err)
	}
	return id, nil
}

var idForm = regexp.MustCompile(`^[0-9a-f]{16}$`)

// derive makes an agent's id out of a machine's, which is not to be told to others.
func derive(machine string) string {
	sum := hmac.New(sha256.New, []byte(machine))
	sum.Write([]byte("yagura-agent"))
	return hex.EncodeToString(sum.Sum(nil)[:8])
}

// firstLine returns the first line of a file, "" if there is none.
func firstLine(parts ...string) string {
	b, err := os.ReadFile(filepath.Join(parts...))
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(b), "\n")
	return strings.TrimSpace(line)
}
