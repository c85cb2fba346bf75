CREATE TABLE `drills` (
	`id` text PRIMARY KEY NOT NULL,
	`database` text NOT NULL,
	`startedAt` text NOT NULL,
	`report` text NOT NULL
);
--> statement-breakpoint
CREATE INDEX `drills_database` ON `drills` (`database`);--> statement-breakpoint
CREATE TABLE `scheduledRuns` (
	`database` text NOT NULL,
	`job` text NOT NULL,
	`scheduledFor` text NOT NULL,
	`claimedAt` text NOT NULL,
	`claimedBy` integer NOT NULL,
	PRIMARY KEY(`database`, `job`, `scheduledFor`)
);
--> statement-breakpoint
ALTER TABLE `snapshots` ADD `freePages` integer;--> statement-breakpoint
ALTER TABLE `snapshots` ADD `checkedAt` text;--> statement-breakpoint
DROP VIEW `Snapshot`;--> statement-breakpoint
CREATE VIEW `Snapshot` AS select "id", "database", "name", "status", "trigger", "source", "sequence", "createdAt", "completedAt", "lastRestoredAt", "verifiedAt", "deletedAt", "size", "storedSize", "checksum", "checksumAlgorithm", "integrity", "pageSize", "pageCount", "durationMs", "pinned", "labels", "marksRevision", "parentId", "encrypted", "replicas", "error", "sourceHost", "freePages", "checkedAt" from "snapshots" where "snapshots"."deletedAt" is null;