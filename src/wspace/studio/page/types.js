/**
 * The values that the page and an engine exchange. Recipes are those of `wspace.Recipe.to_dict`.
 *
 * @typedef {object} Source where a w comes from
 * @property {number} [seed]
 * @property {number} [class]
 * @property {string} [class_name]
 * @property {number[]} [w]
 * @property {number[]} [centre]
 *
 * @typedef {object} Edit a step along a direction in W, or in single channels of styles
 * @property {number[]} [direction]
 * @property {[number, number, number][]} [channels] style, channel and what strength 1 adds
 * @property {number} strength
 * @property {number[]} [layers] none: all
 * @property {string} name "" where it has none
 *
 * @typedef {"const" | "seeded" | "none" | "given"} NoiseMode
 *
 * @typedef {object} Noise each field is one value, or one for each layer of ws
 * @property {NoiseMode | NoiseMode[]} mode
 * @property {number | number[]} seed
 * @property {number | number[]} strength
 * @property {(string | null)[]} [maps] one for each layer of ws, where a mode is "given"
 *
 * @typedef {object} Recipe
 * @property {number} version
 * @property {{name: string, sha256: string}} [model]
 * @property {Source[]} sources
 * @property {number[]} [layer_sources]
 * @property {number | number[]} [psi]
 * @property {number} [cutoff]
 * @property {Edit[]} [edits]
 * @property {Partial<Noise>} [noise]
 * @property {string} [precision]
 *
 * @typedef {"coarse" | "middle" | "fine"} Group
 *
 * @typedef {object} Direction
 * @property {string} name
 * @property {Edit} edit of strength 1
 * @property {string} [method]
 * @property {string} [about]
 *
 * @typedef {object} Entry a model in the menu
 * @property {string} key
 * @property {string} title
 * @property {"bundled" | "file" | "run"} kind
 * @property {boolean} open
 * @property {string | null} [error]
 *
 * @typedef {object} Facts what an open model says of itself besides
 * @property {string} sha256
 * @property {number} width
 * @property {number} height
 * @property {number} channels
 * @property {number} num_ws
 * @property {number} w_dim
 * @property {Record<Group, number[]>} groups
 * @property {string[] | null} classes
 * @property {number} num_classes
 * @property {number[]} noise_layers
 * @property {Direction[]} directions
 * @property {[string, string][]} facts
 * @property {string[]} can
 * @property {string} quick_precision that this machine draws faster in
 * @property {string} [lacks] what cannot be done here, and where it can
 *
 * @typedef {Entry & Facts} Model
 *
 * @typedef {object} Images pictures of one size: straight RGBA, row by row, one after the other
 * @property {number} width
 * @property {number} height
 * @property {number} count
 * @property {Uint8ClampedArray<ArrayBuffer>} pixels
 *
 * @typedef {object} Progress of a call that takes long
 * @property {number} [done]
 * @property {number} [total]
 * @property {string} [text]
 * @property {Images} [images]
 * @property {Recipe} [recipe]
 * @property {Point[]} [points]
 * @property {number} [psnr]
 *
 * @typedef {object} Loading how much of a model has come
 * @property {string} text
 * @property {number} done bytes
 * @property {number} total
 * @property {string} preview the address of a picture to be shown meanwhile
 *
 * @typedef {[number, number]} Place x and y in pixels of the picture
 * @typedef {Place} Point where a dragged point is
 *
 * @typedef {object} Running a call that takes long
 * @property {Promise<Progress & {file?: NamedFile, stopped: boolean}>} done
 * @property {() => void} stop
 *
 * @typedef {{name: string, bytes: Uint8Array<ArrayBuffer>}} NamedFile
 *
 * @typedef {object} Code what makes a picture
 * @property {string} command
 * @property {string} python
 * @property {{name: string, text: string} | null} [file] that both read
 *
 * @typedef {object} Curve
 * @property {string} chart that it belongs to
 * @property {string} name
 * @property {[number, number][]} points kimg and value
 *
 * @typedef {object} Run
 * @property {number} kimg
 * @property {number | null} newest kimg of the newest snapshot
 * @property {Curve[]} curves
 * @property {string[]} sheets
 *
 * @typedef {object} Item a picture that layers can be taken from
 * @property {Source[]} sources one, or one for each layer of ws
 *
 * @typedef {object} Work what the controls show: a recipe, with the pictures that wait to be mixed
 * @property {Item[]} tray
 * @property {number[]} layers for each layer of ws, the item it comes from
 * @property {number | number[]} psi
 * @property {number | null} cutoff
 * @property {Edit[]} edits
 * @property {Noise} noise
 * @property {string} precision
 */

export {};
