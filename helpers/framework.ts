import betterSqlite3 from '../fixtures/frameworks/better-sqlite3.json' with { type: 'json' }
import django from '../fixtures/frameworks/django.json' with { type: 'json' }
import djangoImmediate from '../fixtures/frameworks/django-immediate.json' with { type: 'json' }
import laravel from '../fixtures/frameworks/laravel.json' with { type: 'json' }
import litestream from '../fixtures/frameworks/litestream.json' with { type: 'json' }
import nodeSqlite from '../fixtures/frameworks/node-sqlite.json' with { type: 'json' }
import pocketbase from '../fixtures/frameworks/pocketbase.json' with { type: 'json' }
import rails from '../fixtures/frameworks/rails.json' with { type: 'json' }
import sqlite from '../fixtures/frameworks/sqlite.json' with { type: 'json' }

/** How a framework uses SQLite where nobody has told it anything else: a file of `fixtures/frameworks/`. */
export type Framework = {
  name: string
  /** The version that was looked at. */
  version: string
  /** The library, where it is that one's own default that is looked at. */
  library?: string
  /** The busy timeout that a connection is opened with, in milliseconds. Without it, that of the library. */
  timeout?: number
  /** What somebody else says to the file, once. */
  once?: string[]
  /** What each connection says first, in this order. */
  says: string[]
  /** How its own way to run a transaction begins, and ends. */
  begin: string
  commit: string
  /** The steps in which it writes a changed record back that is not in a transaction: `update`, maybe with `begin` and `commit` around it. */
  save: string[]
  /** How many connections of a process write, where not every one does. */
  writers?: number
  /** Where each of these facts is to be found. */
  sources: Record<string, string>
  notes?: string[]
}

/** By the names of their files. */
export const frameworks = {
  sqlite,
  'node-sqlite': nodeSqlite,
  'better-sqlite3': betterSqlite3,
  django,
  'django-immediate': djangoImmediate,
  rails,
  laravel,
  pocketbase,
  litestream,
} satisfies Record<string, Framework>
