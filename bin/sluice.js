#!/usr/bin/env node
import { basename } from 'node:path'
import { loadProgram } from './load-program.js'

await loadProgram().main(process.argv, basename(process.argv[1] ?? 'sluice', '.js'))
