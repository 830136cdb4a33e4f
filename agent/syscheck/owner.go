package syscheck

import "os/user"

// maxNames is how many names of owners are remembered; then all are asked anew.
const maxNames = 256

// name returns what look says of an owner, which is remembered until the next scan: the system may have to ask others. The caller holds mu.
func (s *Syscheck) name(key string, look func() (string, error)) string {
	name, ok := s.names[key]
	if !ok {
		if len(s.names) >= maxNames {
			clear(s.names)
		}
		name, _ = look() // an owner without a name is none of our trouble
		s.names[key] = name
	}
	return name
}

// userName returns the name of a user, "" if there is none. The caller holds mu.
func (s *Syscheck) userName(uid string) string {
	if uid == "" {
		return ""
	}
	return s.name("u"+uid, func() (string, error) {
		u, err := user.LookupId(uid)
		if err != nil {
			return "", err
		}
		return u.Username, nil
	})
}

// groupName returns the name of a group, "" if there is none. The caller holds mu.
func (s *Syscheck) groupName(gid string) string {
	if gid == "" {
		return ""
	}
	return s.name("g"+gid, func() (string, error) {
		g, err := user.LookupGroupId(gid)
		if err != nil {
			return "", err
		}
		return g.Name, nil
	})
}
