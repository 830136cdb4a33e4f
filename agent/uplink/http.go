package uplink

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/yagura-hids/yagura/internal/codec"
)

// HTTP returns the uplink that posts each batch to a URL of http or https, with these headers:
//
//	Content-Type    application/x-yagura-batch
//	Yagura-Agent    the agent's id
//	Yagura-Epoch    of the events, 16 hexadecimal digits
//	Yagura-First    the number of the first event, decimal
//	Yagura-Last     of the last one
//
// Any 2xx says that the batch is stored. A user and password in the URL are sent (Basic), and HTTPS_PROXY, HTTP_PROXY and NO_PROXY are
// honoured. The error wraps ErrTarget.
func HTTP(address string, o Options) (*Uplink, error) {
	u, err := url.Parse(address)
	if err != nil {
		err = errors.Unwrap(err) // which has the address, with its password, in it
	} else if u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		err = errors.New("want https://HOST/PATH")
	}
	if err != nil {
		return nil, fmt.Errorf("%w: address of the uplink: %w", ErrTarget, err)
	}
	// One connection is all that one batch at a time needs, and HTTP/2 is for many.
	via := &http.Transport{
		Proxy: http.ProxyFromEnvironment, MaxIdleConns: 1, IdleConnTimeout: 90 * time.Second, TLSHandshakeTimeout: 10 * time.Second,
		Protocols: new(http.Protocols),
	}
	via.Protocols.SetHTTP1(true)
	return open(&page{u, &http.Client{Transport: via, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}, o), nil
}

// page is what batches are posted to.
type page struct {
	at     *url.URL
	client *http.Client
}

func (p *page) String() string { return p.at.Redacted() }

func (p *page) prepare(data []byte) (func(ctx context.Context) error, error) {
	b, err := codec.Decode(data)
	if err != nil {
		return nil, failure{error: err, hint: ourHint}
	}
	head := http.Header{
		"User-Agent":   {"yagura"},
		"Content-Type": {"application/x-yagura-batch"},
		"Yagura-Agent": {b.AgentID},
		"Yagura-Epoch": {fmt.Sprintf("%016x", b.Epoch)},
		"Yagura-First": {strconv.FormatUint(b.Events[0].ID.Seq, 10)},
		"Yagura-Last":  {strconv.FormatUint(b.Events[len(b.Events)-1].ID.Seq, 10)},
	}
	return func(ctx context.Context) error { return p.do(ctx, http.MethodPost, head, data) }, nil
}

// probe asks without a batch; that the method isn't allowed is answer enough.
func (p *page) probe(ctx context.Context) error {
	err := p.do(ctx, http.MethodHead, http.Header{}, nil)
	var s statusError
	if errors.As(err, &s) && (s.code == http.StatusMethodNotAllowed || s.code == http.StatusNotImplemented) {
		return nil
	}
	return err
}

func (p *page) do(ctx context.Context, method string, head http.Header, data []byte) error {
	req, err := http.NewRequestWithContext(ctx, method, p.at.String(), bytes.NewReader(data))
	if err != nil {
		return err
	}
	req.Header = head
	resp, err := p.client.Do(req)
	if err != nil {
		return unanswered(err)
	}
	defer resp.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(resp.Body, 4096)) // read, so that the connection can be used again; what it says only helps
	if resp.StatusCode/100 == 2 {
		return nil
	}
	return answered(resp, said)
}

// unanswered tells what it means that there is no answer.
func unanswered(err error) error {
	var whole *url.Error
	if errors.As(err, &whole) {
		err = whole.Err // without the address, which is said anyway
	}
	var stranger *tls.CertificateVerificationError
	if errors.As(err, &stranger) {
		return failure{error: err, hint: "let this host trust who signed that certificate: put it among the system's, or into the file that SSL_CERT_FILE names"}
	}
	return err
}

// statusError is an answer that isn't "stored".
type statusError struct {
	code int
	said string
}

// Error returns the status and the beginning of what the server says.
func (s statusError) Error() string {
	text := strconv.Itoa(s.code) + " " + http.StatusText(s.code)
	if s.said != "" {
		text += ": " + s.said
	}
	return text
}

// answered tells what an answer means.
func answered(resp *http.Response, said []byte) error {
	line := strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, strings.TrimSpace(fmt.Sprintf("%.200s", said)))
	f := failure{error: statusError{resp.StatusCode, line}, hint: answers[resp.StatusCode]}
	switch resp.StatusCode {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		f.throttled = true
		f.after = retryAfter(resp.Header)
	}
	if resp.StatusCode/100 == 3 {
		f.hint = "give the address that it points to: a batch doesn't follow"
	}
	return f
}

// retryAfter returns how long the server asks to wait, in seconds or until a time by its own clock.
func retryAfter(h http.Header) time.Duration {
	text := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return min(time.Duration(seconds)*time.Second, mostAsked)
	}
	at, err := http.ParseTime(text)
	now, err2 := http.ParseTime(h.Get("Date"))
	if err != nil || err2 != nil {
		return 0
	}
	return max(0, min(at.Sub(now), mostAsked))
}

// answers say what to do about answers that no waiting changes.
var answers = map[int]string{
	http.StatusBadRequest:            "see that what listens there takes batches of this version of the agent",
	http.StatusUnauthorized:          "put a user and a password into the address: https://USER:PASSWORD@HOST/PATH",
	http.StatusForbidden:             "allow this user there to store batches",
	http.StatusNotFound:              "see that the path of the address is right",
	http.StatusMethodNotAllowed:      "see that the address is one that takes POST",
	http.StatusGone:                  "see that the path of the address is right",
	http.StatusRequestEntityTooLarge: "let it take 1 MiB",
	http.StatusUnsupportedMediaType:  "let it take application/x-yagura-batch",
}
