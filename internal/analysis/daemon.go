package analysis

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/yagura-hids/yagura/internal/event"
)

// This file is what OSSEC's daemon does and its logtest doesn't.

// nameAction gives a firewall event's action one of OSSEC's few words for it, which rules compare.
func nameAction(d *event.Decoded) {
	action, ok := d.Get(event.Action)
	if !ok || action == "" {
		return
	}
	word := "UNKNOWN"
	lower := strings.ToLower(action)
	switch {
	case strings.IndexByte("drb", lower[0]) >= 0, strings.Contains(lower, "drop"):
		word = "DROP"
	case strings.IndexByte("ct", lower[0]) >= 0:
		word = "CLOSED"
	case strings.IndexByte("apo", lower[0]) >= 0, strings.Contains(lower, "accept"):
		word = "ALLOW"
	}
	d.Set(event.Action, word)
	d.Rewritten = true
}

// lastMessages is how many different messages of a log a repeated one is looked for in.
const lastMessages = 3

// repeats tells whether the message is one of the last of its log, and keeps it if it isn't.
func (e *Engine) repeats() (bool, error) {
	d := &e.decoded
	sum := sha256.Sum256([]byte(d.Location))
	key := "last/" + hex.EncodeToString(sum[:16])
	item, err := e.state.Item(key)
	if err != nil {
		return false, err
	}
	if item == nil {
		item = &Item{}
	}
	if item.find(d.ID) >= 0 {
		return false, nil
	}
	sum = sha256.Sum256([]byte(d.FullLog))
	text := hex.EncodeToString(sum[:16])
	for i := range item.Past {
		if past := &item.Past[i]; past.Text == text && past.before(&e.entry) {
			return true, nil
		}
	}
	item.keep(Entry{Event: d.ID, Time: e.entry.Time, Text: text}, lastMessages)
	return false, e.state.Put(key, item)
}

// OSSEC's stats_mindiff, stats_maxdiff and stats_percent_diff; how often a day it may tell; how many days it learns before, and how many count.
const (
	excessLeast, excessMost, excessPercent = 1250, 999_000, 150

	maxExcesses  = 3
	learnDays    = 2
	averagedDays = 7
)

// The places in Item.Hours: what is usual in each hour of the day, what there was today, and what is known of the days.
const (
	usualHour  = 0
	todayHour  = 24
	hourDays   = 48 // days seen before today
	hourToday  = 49 // today: its year * 1000 and its day in it
	hourTold   = 50 // excesses told today
	hourTold1  = 51 // 1 and the hour for which the last one was told, 0 for none today
	hourPlaces = 52
)

// excess counts the event among those of its agent and hour, and returns the alert to raise if there are far more than usual.
func (e *Engine) excess() (*event.Alert, error) {
	key := "hours/" + e.entry.Event.Agent
	item, err := e.state.Item(key)
	if err != nil {
		return nil, err
	}
	if item == nil || len(item.Hours) != hourPlaces {
		item = &Item{Hours: make([]int, hourPlaces)}
	}
	at, h := e.decoded.Time, item.Hours
	today := at.Year()*1000 + at.YearDay()
	if item.has(e.entry.Event) || today < h[hourToday] { // of a log of earlier days
		if item.fired(e.entry.Event) {
			return e.excessAlert(h), nil
		}
		return nil, nil
	}
	if today != h[hourToday] {
		endDay(h)
		h[hourToday] = today
	}
	h[todayHour+at.Hour()]++
	told := h[hourTold1] != 1+at.Hour() && h[hourTold] < maxExcesses && excessive(h, at.Hour())
	if told {
		h[hourTold]++
		h[hourTold1] = 1 + at.Hour()
	}
	item.see(e.entry.Event, e.now, told)
	if err := e.state.Put(key, item); err != nil || !told {
		return nil, err
	}
	return e.excessAlert(h), nil
}

// excessive tells whether an hour has far more events than usual.
func excessive(h []int, hour int) bool {
	usual, count := h[usualHour+hour], h[todayHour+hour]
	more := min(max(usual*excessPercent/100+1, excessLeast), excessMost)
	return h[hourDays] > learnDays && count > usual+more
}

// endDay works the day's counts into what is usual.
func endDay(h []int) {
	if h[hourToday] == 0 {
		return
	}
	h[hourDays]++
	n := min(h[hourDays], averagedDays)
	for hour := range 24 {
		switch usual, count := &h[usualHour+hour], h[todayHour+hour]; {
		case count == 0:
		case *usual == 0:
			*usual = count + 20
		case h[hourTold] >= maxExcesses:
			*usual = (3*count+n**usual)/(n+3) + 25
		default:
			*usual = (count+n**usual)/(n+1) + 5
		}
		h[todayHour+hour] = 0
	}
	h[hourTold], h[hourTold1] = 0, 0
}

// excessRule is OSSEC's number of the rule that stands in no file.
const excessRule = 11

func (e *Engine) excessAlert(h []int) *event.Alert {
	hour := e.decoded.Time.Hour()
	a := event.NewAlert(&e.decoded, event.Rule{
		ID: excessRule, Level: e.opts.StatsLevel, Description: "Excessive number of events (above normal).", Groups: []string{"stats"},
		GroupText: "stats,", Mail: e.opts.StatsLevel >= e.opts.MailLevel,
	})
	a.FullLog = fmt.Sprintf("The average number of logs between %d:00 and %d:00 is %d. We reached %d.", hour, hour+1, h[usualHour+hour], h[todayHour+hour])
	a.Ruleset, a.Beside = e.set.Hash, true
	return a
}
