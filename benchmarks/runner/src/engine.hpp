#pragma once

#include "contract.hpp"
#include "view.hpp"

namespace mobilevos {

/// What the query encoder gives for one frame.
struct Query {
  View key;        ///< `[1, Ck, h, w]`.
  View feature16;  ///< `[1, C16, h, w]`.
  View feature8;   ///< `[1, C8, 2h, 2w]`.
  View feature4;   ///< `[1, C4, 4h, 4w]`; empty after a fused step, which keeps it inside.
};

/// One frame's rows of the memory bank.
struct MemoryRows {
  View key;     ///< `[h*w, Ck+1]`.
  View values;  ///< `[O, h*w, Cv]`.
};

/// What a fused step gives.
struct Segmented {
  View logits;  ///< `[O, 1, H, W]`.
  Query query;  ///< For memorising.
};

/// A runtime with the network in it: the protocol of `mobilevos/engines/engine.py`.
///
/// All arrays are the contract's, float32 in C order. What a call gives lies in the engine's own memory and is valid
/// until the same function is called again. Each function takes any number of objects; more than the program takes
/// are run in turns.
class Engine {
 public:
  virtual ~Engine() = default;

  /// Of the programs; `objects` is what one call of a program takes.
  virtual const Dimensions& dimensions() const = 0;

  /// Encodes a padded frame `[1, 3, H, W]`, RGB in 0..1.
  virtual Query encode_query(View image) = 0;

  /// Makes one frame's bank rows.
  /// @param query Of the same frame.
  /// @param masks `[O, 1, H, W]`, each object's probability in 0..1.
  /// @param others `[O, 1, H, W]`, the sum of the other objects' probabilities.
  virtual MemoryRows encode_memory(const Query& query, View masks, View others) = 0;

  /// Reads `keys [N, Ck+1]` and `values [O, N, Cv]`; gives the readout `[O, Cv, h, w]`.
  virtual View read_memory(const Query& query, View keys, View values) = 0;

  /// Mask logits `[O, 1, H, W]`, one independent logit per object.
  virtual View decode(View readout, const Query& query) = 0;

  /// One tracking step, of no more objects than one call takes. As its components here; an engine that has one program
  /// for it overrides this.
  virtual Segmented segment(View image, View keys, View values);

 protected:
  Engine() = default;
  Engine(const Engine&) = default;
  Engine& operator=(const Engine&) = default;
};

}  // namespace mobilevos
