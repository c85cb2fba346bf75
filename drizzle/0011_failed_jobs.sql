CREATE TABLE `failedJobs` (
	`database` text NOT NULL,
	`job` text NOT NULL,
	`failedAt` text NOT NULL,
	`message` text NOT NULL,
	PRIMARY KEY(`database`, `job`)
);
