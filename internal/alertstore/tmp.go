// A stand-in until branch table brings the store.
package alertstore

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"time"

	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/table"
)

var Schema = &table.Schema{Name: "alerts", Partition: "agent", Sort: "at", Expires: "expires", Indexes: []table.Index{
	{Name: "by-time", Partition: "slot", Sort: "at", Projected: []string{"level", "rule"}},
	{Name: "by-rule", Partition: "rule_slot", Sort: "at", Projected: []string{"level", "rule"}},
	{Name: "by-source", Partition: "source_slot", Sort: "at", Projected: []string{"level", "rule"}},
}}

type Filter struct {
	Limit int
	After string
}
type Page struct {
	Alerts []*event.Alert
	Next   string
}

func Query(ctx context.Context, t table.Table, f Filter) (Page, error) {
	var p Page
	for slot := range 8 {
		for q := (table.Query{Table: Schema, Index: "by-time", Partition: fmt.Sprint(slot)}); ; {
			page, err := t.Query(ctx, q)
			if err != nil {
				return p, err
			}
			for _, i := range page.Items {
				full, err := t.Get(ctx, Schema, []table.Key{{Partition: i.String("agent"), Sort: i.String("at")}})
				if err != nil {
					return p, err
				}
				a := &event.Alert{}
				if err := json.Unmarshal([]byte(full[0].String("alert")), a); err != nil {
					return p, err
				}
				p.Alerts = append(p.Alerts, a)
			}
			if q.After = page.Next; page.Next == "" {
				break
			}
		}
	}
	return p, nil
}

func Put(a *event.Alert, expires time.Time) (table.Op, error) {
	text, err := json.Marshal(a)
	h := fnv.New32a()
	h.Write([]byte(a.Event.Agent))
	slot := fmt.Sprint(h.Sum32() % 8)
	f := table.Fields{"agent": a.Event.Agent, "at": a.Time.UTC().Format("2006-01-02T15:04:05.000000000Z") + fmt.Sprintf("#%016x#%020d", a.Event.Epoch, a.Event.Seq),
		"id": a.ID, "level": int64(a.Rule.Level), "rule": int64(a.Rule.ID), "slot": slot, "rule_slot": fmt.Sprint(a.Rule.ID, "/", slot), "alert": string(text)}
	if s := a.Field("srcip"); s != "" {
		f["source"], f["source_slot"] = s, s+"/"+slot
	}
	if a.Rule.Mail {
		f["mail"] = "yes"
	}
	if !expires.IsZero() {
		f["expires"] = expires.Unix()
	}
	return table.Op{Table: Schema, Item: f, If: table.Condition{Absent: true}}, err
}
