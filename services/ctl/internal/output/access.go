package output

import (
	"go.etcd.io/etcd/api/v3/authpb"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// rootRole is the role that may do everything, whatever it was granted.
const rootRole = "root"

// openEnd is the end of a range that has none.
const openEnd = "\x00"

// AuthStatus shows whether authentication is enabled.
func AuthStatus(r *clientv3.AuthStatusResponse) Answer {
	message := (*etcdserverpb.AuthStatusResponse)(r)
	return Answer{
		JSON: message, Message: message,
		Simple: func(t *Text) {
			t.Linef("Authentication Status: %v", message.GetEnabled())
			t.Linef("AuthRevision: %d", message.GetAuthRevision())
		},
	}
}

// RoleAdded shows that there is a role of this name.
func RoleAdded(role string, r *clientv3.AuthRoleAddResponse) Answer {
	message := (*etcdserverpb.AuthRoleAddResponse)(r)
	return Answer{JSON: message, Message: message, Fields: headerOnly(message.GetHeader()), Simple: line("Role %s created", role)}
}

// RoleDeleted shows that there is no role of this name any more.
func RoleDeleted(role string, r *clientv3.AuthRoleDeleteResponse) Answer {
	message := (*etcdserverpb.AuthRoleDeleteResponse)(r)
	return Answer{JSON: message, Message: message, Fields: headerOnly(message.GetHeader()), Simple: line("Role %s deleted", role)}
}

// PermissionGranted shows that a role may do more.
func PermissionGranted(role string, r *clientv3.AuthRoleGrantPermissionResponse) Answer {
	message := (*etcdserverpb.AuthRoleGrantPermissionResponse)(r)
	return Answer{JSON: message, Message: message, Fields: headerOnly(message.GetHeader()), Simple: line("Role %s updated", role)}
}

// PermissionRevoked shows that a role may do less with the keys from key to end: "" for the key alone, "\x00" for all that follow.
func PermissionRevoked(role, key, end string, r *clientv3.AuthRoleRevokePermissionResponse) Answer {
	message := (*etcdserverpb.AuthRoleRevokePermissionResponse)(r)
	simple := line("Permission of range [%s, %s) is revoked from role %s", key, end, role)
	switch end {
	case "":
		simple = line("Permission of key %s is revoked from role %s", key, role)
	case openEnd:
		simple = line("Permission of range [%s, <open ended> is revoked from role %s", key, role)
	}
	return Answer{JSON: message, Message: message, Fields: headerOnly(message.GetHeader()), Simple: simple}
}

// Roles shows the names of all roles.
func Roles(r *clientv3.AuthRoleListResponse) Answer {
	message := (*etcdserverpb.AuthRoleListResponse)(r)
	return Answer{
		JSON: message, Message: message,
		Simple: func(t *Text) {
			for _, role := range message.GetRoles() {
				t.Linef("%s", role)
			}
		},
		Fields: func(t *Text) {
			t.header(message.GetHeader())
			t.Printf("%q :", "Roles")
			for _, role := range message.GetRoles() {
				t.Printf(" %q", role)
			}
			t.Linef("")
		},
	}
}

// Role shows what a role may do.
func Role(role string, r *clientv3.AuthRoleGetResponse) Answer {
	message := (*etcdserverpb.AuthRoleGetResponse)(r)
	return Answer{
		JSON: message, Message: message,
		Simple: func(t *Text) { t.role(role, message.GetPerm()) },
		Fields: func(t *Text) {
			t.header(message.GetHeader())
			for _, permission := range message.GetPerm() {
				t.field("PermType", " "+permission.GetPermType().String())
				t.quoted("Key", string(permission.GetKey()))
				t.quoted("RangeEnd", string(permission.GetRangeEnd()))
			}
		},
	}
}

func (t *Text) role(role string, permissions []*authpb.Permission) {
	t.Linef("Role %s", role)
	for _, right := range []struct {
		title string
		only  authpb.Permission_Type
	}{{"KV Read:", authpb.READ}, {"KV Write:", authpb.WRITE}} {
		t.Linef("%s", right.title)
		if role == rootRole && permissions == nil {
			t.Linef("\t[, <open ended>")
		}
		for _, permission := range permissions {
			if kind := permission.GetPermType(); kind == right.only || kind == authpb.READWRITE {
				t.permission(string(permission.GetKey()), string(permission.GetRangeEnd()))
			}
		}
	}
}

func (t *Text) permission(key, end string) {
	switch end {
	case "":
		t.Linef("\t%s", key)
		return
	case openEnd:
		t.Printf("\t[%s, <open ended>", key)
	default:
		t.Printf("\t[%s, %s)", key, end)
	}
	if key != "" && clientv3.GetPrefixRangeEnd(key) == end {
		t.Printf(" (prefix %s)", key)
	}
	t.Linef("")
}

// UserAdded shows that there is a user of this name.
func UserAdded(user string, r *clientv3.AuthUserAddResponse) Answer {
	message := (*etcdserverpb.AuthUserAddResponse)(r)
	return Answer{JSON: message, Message: message, Fields: headerOnly(message.GetHeader()), Simple: line("User %s created", user)}
}

// UserDeleted shows that there is no user of this name any more.
func UserDeleted(user string, r *clientv3.AuthUserDeleteResponse) Answer {
	message := (*etcdserverpb.AuthUserDeleteResponse)(r)
	return Answer{JSON: message, Message: message, Fields: headerOnly(message.GetHeader()), Simple: line("User %s deleted", user)}
}

// PasswordChanged shows that a user has another password.
func PasswordChanged(r *clientv3.AuthUserChangePasswordResponse) Answer {
	message := (*etcdserverpb.AuthUserChangePasswordResponse)(r)
	return Answer{JSON: message, Message: message, Fields: headerOnly(message.GetHeader()), Simple: line("Password updated")}
}

// RoleGranted shows that a user has a role.
func RoleGranted(user, role string, r *clientv3.AuthUserGrantRoleResponse) Answer {
	message := (*etcdserverpb.AuthUserGrantRoleResponse)(r)
	return Answer{JSON: message, Message: message, Fields: headerOnly(message.GetHeader()), Simple: line("Role %s is granted to user %s", role, user)}
}

// RoleRevoked shows that a user has a role no more.
func RoleRevoked(user, role string, r *clientv3.AuthUserRevokeRoleResponse) Answer {
	message := (*etcdserverpb.AuthUserRevokeRoleResponse)(r)
	return Answer{JSON: message, Message: message, Fields: headerOnly(message.GetHeader()), Simple: line("Role %s is revoked from user %s", role, user)}
}

// User shows the roles of a user.
func User(user string, r *clientv3.AuthUserGetResponse) Answer {
	message := (*etcdserverpb.AuthUserGetResponse)(r)
	return Answer{
		JSON: message, Message: message,
		Simple: func(t *Text) {
			t.Linef("User: %s", user)
			t.Printf("Roles:")
			for _, role := range message.GetRoles() {
				t.Printf(" %s", role)
			}
			t.Linef("")
		},
	}
}

// Users shows the names of all users.
func Users(r *clientv3.AuthUserListResponse) Answer {
	message := (*etcdserverpb.AuthUserListResponse)(r)
	return Answer{
		JSON: message, Message: message,
		Simple: func(t *Text) {
			for _, user := range message.GetUsers() {
				t.Linef("%s", user)
			}
		},
	}
}

// line is the format simple of an answer that is one line.
func line(format string, args ...any) func(*Text) {
	return func(t *Text) { t.Linef(format, args...) }
}
