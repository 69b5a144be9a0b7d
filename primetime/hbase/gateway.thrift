// The part of HBase's Thrift2 interface that primetime calls. Method names, field numbers and field types are the
// gateway's (HBase 2.6); structures and fields that primetime neither sends nor reads are left out, which Thrift allows.
// Read by gateway.py.

struct Column {
  1: required binary family
  2: optional binary qualifier
}

struct ColumnValue {
  1: required binary family
  2: required binary qualifier
  3: required binary value
  4: optional i64 timestamp
}

struct Row {
  1: optional binary row
  2: required list<ColumnValue> columnValues
}

struct Get {
  1: required binary row
  2: optional list<Column> columns
}

struct Put {
  1: required binary row
  2: required list<ColumnValue> columnValues
}

enum DeleteType {
  EVERY_VERSION = 1
}

struct Delete {
  1: required binary row
  2: optional list<Column> columns
  4: optional DeleteType deleteType
}

struct Scan {
  1: optional binary startRow
  2: optional binary stopRow
  3: optional list<Column> columns
  4: optional i32 caching
  7: optional binary filterString
  8: optional i32 batchSize
}

struct TableName {
  1: optional binary ns
  2: required binary qualifier
}

struct Family {
  1: required binary name
  10: optional i32 maxVersions
}

struct Table {
  1: required TableName tableName
  2: optional list<Family> columns
}

struct Region {
  3: optional binary startKey
}

struct RegionLocation {
  2: required Region regionInfo
}

exception IoError {
  1: optional string message
}

exception IllegalArgument {
  1: optional string message
}

service Hbase {
  Row get(1: required binary table, 2: required Get get) throws (1: IoError io)
  void putMultiple(1: required binary table, 2: required list<Put> puts) throws (1: IoError io)
  void deleteSingle(1: required binary table, 2: required Delete delete_) throws (1: IoError io)

  i32 openScanner(1: required binary table, 2: required Scan scan) throws (1: IoError io)
  list<Row> getScannerRows(1: required i32 scanner, 2: required i32 rows) throws (1: IoError io, 2: IllegalArgument ia)
  list<Row> getScannerResults(1: required binary table, 2: required Scan scan, 3: i32 rows) throws (1: IoError io)
  void closeScanner(1: required i32 scanner) throws (1: IoError io, 2: IllegalArgument ia)

  list<TableName> getTableNamesByPattern(1: required string regex, 2: required bool system) throws (1: IoError io)
  list<RegionLocation> getAllRegionLocations(1: required binary table) throws (1: IoError io)
  void createTable(1: required Table table, 2: required list<binary> splitKeys) throws (1: IoError io)
  void disableTable(1: required TableName table) throws (1: IoError io)
  void enableTable(1: required TableName table) throws (1: IoError io)
  void deleteTable(1: required TableName table) throws (1: IoError io)
  void truncateTable(1: required TableName table, 2: required bool preserveSplits) throws (1: IoError io)
}
