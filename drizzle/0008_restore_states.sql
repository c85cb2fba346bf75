ALTER TABLE `restores` ADD `kind` text DEFAULT 'restore' NOT NULL;--> statement-breakpoint
ALTER TABLE `restores` ADD `times` text DEFAULT '{}' NOT NULL;--> statement-breakpoint
ALTER TABLE `restores` ADD `isApplied` integer;--> statement-breakpoint
CREATE INDEX `restores_snapshot` ON `restores` (`database`,`snapshotName`,`requestedAt`);