INSERT INTO `damagedPacks` SELECT `packId`, 'local' FROM `suspectPacks`;--> statement-breakpoint
DROP TABLE `suspectPacks`;