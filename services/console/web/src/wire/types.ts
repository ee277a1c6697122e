// The messages of quorate.console.v1, quorate.v1 and etcd that the page uses, as they are in JSON: bytes are base64, 64-bit integers strings, and
// what is empty, zero or false is left out.
type Base64 = string;
type Int64 = string;

export interface KeyValue { key?: Base64; value?: Base64; createRevision?: Int64; modRevision?: Int64; version?: Int64; lease?: Int64 }
export interface RangeResponse { header?: { revision?: Int64 }; kvs?: KeyValue[]; more?: boolean; count?: Int64 }
export interface TxnResponse { header?: { revision?: Int64 }; succeeded?: boolean; responses?: { responseRange?: RangeResponse }[] }

export interface About {
  version?: string; etcdVersion?: string; authEnabled?: boolean; user?: string; proof?: string; roles?: string[]; root?: boolean;
  clusterId?: Int64; memberId?: Int64; revision?: Int64; auditLog?: boolean;
}

export interface Child { name?: Base64; folded?: boolean; modRevision?: Int64; createRevision?: Int64; version?: Int64; lease?: Int64; keys?: Int64; keysAtLeast?: boolean }
export interface ChildrenResponse { children?: Child[]; more?: boolean; revision?: Int64 }
export interface SearchResponse { keys?: { key?: Base64; modRevision?: Int64; version?: Int64; lease?: Int64 }[]; more?: boolean; nextAfter?: Base64; revision?: Int64; lookedAt?: Int64 }

export interface Version {
  revision?: Int64; deleted?: boolean; createRevision?: Int64; version?: Int64; lease?: Int64; valueBytes?: Int64; value?: Base64; timeUnixNano?: Int64;
}
export interface HistoryResponse { versions?: Version[]; more?: boolean; revision?: Int64; compactedRevision?: Int64 }
export interface DeletedKey { key?: Base64; revision?: Int64; timeUnixNano?: Int64; last?: Version }
export interface DeletedResponse { keys?: DeletedKey[]; more?: boolean; nextBeforeRevision?: Int64; nextBeforeSub?: Int64; revision?: Int64; compactedRevision?: Int64 }

export interface ChangesResponse {
  changes?: { revision?: Int64; timeUnixNano?: Int64; made?: Int64; changed?: Int64; deleted?: Int64; keys?: Base64[] }[];
  more?: boolean; nextBeforeRevision?: Int64; nextBeforeSub?: Int64; revision?: Int64; compactedRevision?: Int64;
}

export interface Plan {
  putBack?: { key: Base64; prefix?: boolean; toRevision: Int64 };
  delete?: { prefix?: Base64; all?: boolean; keys?: Base64[] };
  import?: { entries: { key: Base64; value: Base64 }[]; onlyNew?: boolean };
}
export interface Change {
  key?: Base64; kind?: 'KIND_CREATE' | 'KIND_UPDATE' | 'KIND_DELETE'; modRevision?: Int64; bytesBefore?: Int64; bytesAfter?: Int64;
  valueBefore?: Base64; valueAfter?: Base64; leaseBefore?: Int64; leaseAfter?: Int64; leaseGone?: boolean; valuesLeftOut?: boolean;
}
export interface PreviewResponse { changes?: Change[]; more?: boolean; nextAfter?: Base64; revision?: Int64; lookedAt?: Int64 }
export interface ApplyResponse {
  applied?: Int64; conflicts?: { wanted?: Change; modRevision?: Int64 }[]; more?: boolean; nextAfter?: Base64; revision?: Int64; failed?: string;
}

export interface Lease { id?: Int64; grantedTtl?: Int64; ttl?: Int64; keys?: Base64[]; keysTotal?: Int64 }
export interface LeasesResponse { leases?: Lease[]; more?: boolean; total?: Int64 }
export interface Turn { key?: Base64; lease?: Int64; createRevision?: Int64; sinceUnixNano?: Int64; ttl?: Int64; value?: Base64 }
export interface Lock { name?: Base64; turns?: Turn[]; turnsTotal?: Int64; election?: boolean }
export interface LocksResponse { locks?: Lock[]; more?: boolean; nextAfter?: Base64; revision?: Int64 }

export interface Cluster {
  clusterId?: Int64; memberId?: Int64; leaderId?: Int64; raftTerm?: Int64; members?: Member[]; alarms?: { memberId?: Int64; kind?: string }[]; voters?: number; mayLose?: number;
}
export interface Member {
  id?: Int64; name?: string; peerUrls?: string[]; clientUrls?: string[]; learner?: boolean; leader?: boolean; unreachable?: string; version?: string;
  revision?: Int64; compactedRevision?: Int64; raftIndex?: Int64; raftAppliedIndex?: Int64; behind?: Int64; dbSize?: Int64; dbSizeInUse?: Int64; dbSizeQuota?: Int64;
  diskFree?: Int64; errors?: string[];
}
export type Unit = 'UNIT_PER_SECOND' | 'UNIT_SECONDS' | 'UNIT_BYTES' | 'UNIT_BYTES_PER_SECOND' | 'UNIT_COUNT' | 'UNIT_PROCESSORS';
export interface Series { name?: string; title?: string; chart?: string; unit?: Unit; values?: (number | string)[] }
export interface Mark { timeUnixMilli?: Int64; kind?: 'KIND_LEADER' | 'KIND_ALARM' | 'KIND_COMPACTION' | 'KIND_START'; text?: string }
export interface SeriesResponse { timesUnixMilli?: Int64[]; series?: Series[]; marks?: Mark[]; intervalMilli?: Int64 }
export interface SlowRequest {
  method?: string; timeUnixMilli?: Int64; took?: Int64; user?: string; peer?: string; prefix?: Base64; shape?: string; code?: string;
  queue?: Int64; sync?: Int64; commit?: Int64; apply?: Int64;
}

export interface Permission { role?: string; read?: boolean; write?: boolean; key?: Base64; rangeEnd?: Base64 }
export interface Rights { authEnabled?: boolean; user?: string; roles?: string[]; root?: boolean; permissions?: Permission[]; mayRead?: boolean; mayWrite?: boolean }

export interface LiveWatch { id: string; key: Base64; rangeEnd?: Base64; startRevision?: Int64; prevKv?: boolean; withoutValues?: boolean; eventsPerSecond?: number }
export interface LiveRequest {
  watches?: LiveWatch[]; series?: boolean; seriesNames?: string[]; seriesAfterUnixMilli?: Int64; leases?: Int64[]; cluster?: boolean;
}
export interface LiveEvent { deleted?: boolean; kv?: KeyValue; prevKv?: KeyValue; valueBytes?: Int64; prevValueBytes?: Int64 }
export interface LiveResponse {
  started?: { watchId?: Int64; nextRevision?: Int64 };
  events?: { watchId?: Int64; events?: LiveEvent[]; nextRevision?: Int64; passedOverFrom?: Int64; passedOverTo?: Int64 };
  ended?: { watchId?: Int64; reason?: string; compactedRevision?: Int64 };
  series?: SeriesResponse; leases?: { leases?: Lease[] }; cluster?: Cluster; alive?: object;
}
