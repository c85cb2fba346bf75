import Database from 'better-sqlite3'

export interface MigrateInput {
  /** A staged image, which nothing else uses. */
  file: string
  /** A folder of Drizzle migrations. */
  folder: string
}

/** Brings a staged image up to the application's schema. */
export async function migrate ({ file, folder }: MigrateInput): Promise<void> {
  const { drizzle } = await import('drizzle-orm/better-sqlite3')
  const { migrate } = await import('drizzle-orm/better-sqlite3/migrator')
  const database = new Database(file)
  try {
    migrate(drizzle(database), { migrationsFolder: folder })
  } finally {
    database.close()
  }
}
