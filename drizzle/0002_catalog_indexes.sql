DROP INDEX `snapshots_name`;--> statement-breakpoint
DROP INDEX `snapshots_status`;--> statement-breakpoint
CREATE INDEX `snapshots_present` ON `snapshots` (`database`,`sequence`,`id`) WHERE "snapshots"."deletedAt" is null;--> statement-breakpoint
CREATE INDEX `snapshots_source` ON `snapshots` (`database`,`source`,`sequence`,`createdAt`) WHERE "snapshots"."deletedAt" is null;--> statement-breakpoint
CREATE INDEX `snapshots_to_remove` ON `snapshots` (`database`) WHERE "snapshots"."deletedAt" is not null and "snapshots"."replicas" <> '[]';--> statement-breakpoint
CREATE INDEX `snapshots_name` ON `snapshots` (`database`,`name`,`sequence`) WHERE "snapshots"."deletedAt" is null;--> statement-breakpoint
CREATE INDEX `snapshots_status` ON `snapshots` (`database`,`status`,`sequence`,`id`) WHERE "snapshots"."deletedAt" is null;