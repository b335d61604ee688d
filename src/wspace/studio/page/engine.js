/**
 * @import {Code, Entry, Images, Loading, Model, NamedFile, Place, Progress, Recipe, Run, Running} from "./types.js"
 */

/** A newer call took the place of this one. */
export class Dropped extends Error {}

/** There is no connection any more; what was asked for is not known to be done. */
export class Lost extends Error {}

/**
 * What draws the pictures of the page.
 *
 * Every call fails with an Error whose message can be shown, with `Lost`, or with `Dropped`.
 *
 * @typedef {object} Engine
 * @property {(listener: (state: "connecting" | "open" | "lost" | "refused") => void) => void} onState
 * @property {(listener: (loading: Loading | null) => void) => void} [onLoading] tells how much of a
 *     model has come, where that takes a while; null: it is there
 * @property {() => Promise<{version: string, models: Entry[], films?: string[]}>} models
 *     `films`: formats that films can have
 * @property {(model: string) => Promise<Model>} open
 * @property {(model: string, recipes: Recipe[], slot?: string) =>
 *     Promise<{images: Images, recipes: Recipe[]}>} render 1 to 64 pictures
 * @property {(model: string, recipe: Recipe) => Promise<NamedFile>} png with its recipe in it
 * @property {(model: string, sheet: SheetRequest) => Promise<NamedFile>} sheet a PNG
 * @property {(model: string, recipe: Recipe, count: number) => Promise<Images>} deviation how much
 *     pixels change over noise seeds
 * @property {(model: string, recipe: Recipe, step: number, seed: number) =>
 *     Promise<{images: Images, recipes: Recipe[]}>} neighbours eight of them
 * @property {(model: string, picture: Uint8Array, how: InvertRequest,
 *     progress: (progress: Progress) => void) => Running} invert
 * @property {(model: string, recipe: Recipe, points: [Place, Place][], mask: Uint8Array | null,
 *     steps: number, progress: (progress: Progress) => void) => Running} drag
 * @property {(model: string, walk: WalkRequest, progress: (progress: Progress) => void) =>
 *     Running} walk pictures to play, in order
 * @property {(model: string, walk: WalkRequest & {format: string, fps: number},
 *     progress: (progress: Progress) => void) => Running} film
 * @property {(model: string, name: string, to: string) => Promise<Model>} renameDirection
 * @property {(model: string, recipe: Recipe) => Promise<Code>} code
 * @property {(model: string) => Promise<Run>} run
 * @property {(model: string, name: string) => Promise<Uint8Array<ArrayBuffer>>} runSheet a PNG
 * @property {(model: string) => Promise<Model>} reload
 *
 * @typedef {{kind: "mixing", rows: Recipe[], columns: Recipe[], layers: number[]}
 *     | {kind: "noise" | "psi", recipe: Recipe}} SheetRequest
 *
 * @typedef {object} InvertRequest
 * @property {number} seconds
 * @property {"w" | "w+"} space
 * @property {number} [class] of the model that it starts in
 *
 * @typedef {object} WalkRequest
 * @property {Recipe[]} recipes the key pictures
 * @property {number} frames of each leg
 * @property {boolean} loop
 * @property {string} kind "linear", "spline" or "slerp"
 */
