#include "engine.hpp"

namespace mobilevos {

Segmented Engine::segment(View image, View keys, View values) {
  const Query query = encode_query(image);
  return {decode(read_memory(query, keys, values), query), query};
}

}  // namespace mobilevos
