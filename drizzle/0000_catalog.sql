CREATE TABLE `integrityChecks` (
	`database` text PRIMARY KEY NOT NULL,
	`isHealthy` integer NOT NULL,
	`errors` text NOT NULL,
	`unchecked` text NOT NULL,
	`checkedAt` text NOT NULL,
	`durationMs` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `metricValues` (
	`database` text NOT NULL,
	`name` text NOT NULL,
	`label` text NOT NULL,
	`value` real NOT NULL,
	PRIMARY KEY(`database`, `name`, `label`)
);
--> statement-breakpoint
CREATE TABLE `restores` (
	`id` text PRIMARY KEY NOT NULL,
	`database` text NOT NULL,
	`snapshotId` text NOT NULL,
	`snapshotName` text NOT NULL,
	`status` text NOT NULL,
	`requestedAt` text NOT NULL,
	`finishedAt` text,
	`durationMs` integer,
	`preRestoreBackup` text,
	`error` text
);
--> statement-breakpoint
CREATE INDEX `restores_requested` ON `restores` (`database`,`requestedAt`);--> statement-breakpoint
CREATE TABLE `snapshots` (
	`id` text PRIMARY KEY NOT NULL,
	`database` text NOT NULL,
	`name` text NOT NULL,
	`status` text NOT NULL,
	`trigger` text NOT NULL,
	`source` text NOT NULL,
	`sequence` integer NOT NULL,
	`createdAt` text NOT NULL,
	`completedAt` text,
	`lastRestoredAt` text,
	`verifiedAt` text,
	`deletedAt` text,
	`size` integer,
	`storedSize` integer,
	`checksum` text,
	`checksumAlgorithm` text,
	`integrity` text,
	`pageSize` integer,
	`pageCount` integer,
	`durationMs` integer,
	`pinned` integer DEFAULT false NOT NULL,
	`labels` text DEFAULT '{}' NOT NULL,
	`marksRevision` integer DEFAULT 0 NOT NULL,
	`parentId` text,
	`encrypted` integer DEFAULT false NOT NULL,
	`replicas` text DEFAULT '[]' NOT NULL,
	`error` text
);
--> statement-breakpoint
CREATE UNIQUE INDEX `snapshots_name_in_use` ON `snapshots` (`database`,`name`) WHERE "snapshots"."status" <> 'FAILED' and "snapshots"."deletedAt" is null;--> statement-breakpoint
CREATE UNIQUE INDEX `snapshots_order` ON `snapshots` (`database`,`sequence`,`id`);--> statement-breakpoint
CREATE INDEX `snapshots_name` ON `snapshots` (`database`,`name`);--> statement-breakpoint
CREATE INDEX `snapshots_status` ON `snapshots` (`database`,`status`,`sequence`);--> statement-breakpoint
CREATE TABLE `sources` (
	`id` text PRIMARY KEY NOT NULL,
	`createdAt` text NOT NULL
);
--> statement-breakpoint
CREATE VIEW `Snapshot` AS select "id", "database", "name", "status", "trigger", "source", "sequence", "createdAt", "completedAt", "lastRestoredAt", "verifiedAt", "deletedAt", "size", "storedSize", "checksum", "checksumAlgorithm", "integrity", "pageSize", "pageCount", "durationMs", "pinned", "labels", "marksRevision", "parentId", "encrypted", "replicas", "error" from "snapshots" where "snapshots"."deletedAt" is null;