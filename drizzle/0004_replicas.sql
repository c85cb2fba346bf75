CREATE TABLE `damagedPacks` (
	`packId` text NOT NULL,
	`storage` text NOT NULL,
	PRIMARY KEY(`packId`, `storage`)
);
--> statement-breakpoint
CREATE TABLE `storages` (
	`database` text NOT NULL,
	`storage` text NOT NULL,
	`isUp` integer,
	`checkedAt` text,
	`error` text,
	`listedAt` text,
	PRIMARY KEY(`database`, `storage`)
);
--> statement-breakpoint
DROP INDEX `snapshots_name_in_use`;--> statement-breakpoint
ALTER TABLE `snapshots` ADD `sourceHost` text;--> statement-breakpoint
CREATE INDEX `snapshots_ended` ON `snapshots` (`database`,`source`,`sequence`) WHERE "snapshots"."status" <> 'CREATING';--> statement-breakpoint
CREATE INDEX `snapshots_to_replicate` ON `snapshots` (`database`,`sequence`) WHERE "snapshots"."deletedAt" is null and "snapshots"."replicas" glob '*"state":"[PDM]*';--> statement-breakpoint
CREATE UNIQUE INDEX `snapshots_name_in_use` ON `snapshots` (`database`,`source`,`name`) WHERE "snapshots"."status" <> 'FAILED' and "snapshots"."deletedAt" is null;--> statement-breakpoint
DROP VIEW `Snapshot`;--> statement-breakpoint
CREATE VIEW `Snapshot` AS select "id", "database", "name", "status", "trigger", "source", "sequence", "createdAt", "completedAt", "lastRestoredAt", "verifiedAt", "deletedAt", "size", "storedSize", "checksum", "checksumAlgorithm", "integrity", "pageSize", "pageCount", "durationMs", "pinned", "labels", "marksRevision", "parentId", "encrypted", "replicas", "error", "sourceHost" from "snapshots" where "snapshots"."deletedAt" is null;