// Draw a mixed picture with ONNX Runtime's C API alone.
//
// mixed FOLDER OUT.ppm COARSE FINE [PSI [LAYERS [CLASS [NOISE_SEED]]]]

#include <onnxruntime_c_api.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

const OrtApi* const api = OrtGetApiBase()->GetApi(ORT_API_VERSION);

void check(OrtStatus* status) {
  if (status == nullptr) return;
  const std::string message = api->GetErrorMessage(status);
  api->ReleaseStatus(status);
  throw std::runtime_error(message);
}

// NumPy's RandomState: the Mersenne Twister, and normal numbers by Marsaglia's polar method.
class RandomState {
 public:
  explicit RandomState(uint32_t seed) { seed_by_number(seed); }

  explicit RandomState(const std::vector<uint32_t>& seeds) {
    seed_by_number(19650218);
    int i = 1;
    const auto step = [&] {
      if (++i < size) return;
      state_[0] = state_[size - 1];
      i = 1;
    };
    const int rounds = std::max(size, static_cast<int>(seeds.size()));
    for (int k = 0; k < rounds; ++k) {
      const uint32_t j = k % seeds.size();
      state_[i] = (state_[i] ^ (folded(i - 1) * 1664525u)) + seeds[j] + j;
      step();
    }
    for (int k = 0; k < size - 1; ++k) {
      state_[i] = (state_[i] ^ (folded(i - 1) * 1566083941u)) - i;
      step();
    }
    state_[0] = 0x80000000u;
  }

  float normal() {
    if (has_kept_) {
      has_kept_ = false;
      return static_cast<float>(kept_);
    }
    double x, y, square;
    do {
      x = 2 * uniform() - 1;
      y = 2 * uniform() - 1;
      square = x * x + y * y;
    } while (square >= 1 || square == 0);
    const double factor = std::sqrt(-2 * std::log(square) / square);
    kept_ = factor * x;
    has_kept_ = true;
    return static_cast<float>(factor * y);
  }

 private:
  static constexpr int size = 624;

  void seed_by_number(uint32_t seed) {
    state_[0] = seed;
    for (int i = 1; i < size; ++i) state_[i] = 1812433253u * folded(i - 1) + i;
  }

  uint32_t folded(int i) const { return state_[i] ^ (state_[i] >> 30); }

  uint32_t bits() {
    if (place_ == size) {
      for (int i = 0; i < size; ++i) {
        const uint32_t y = (state_[i] & 0x80000000u) | (state_[(i + 1) % size] & 0x7fffffffu);
        state_[i] = state_[(i + 397) % size] ^ (y >> 1) ^ (y & 1 ? 0x9908b0dfu : 0u);
      }
      place_ = 0;
    }
    uint32_t y = state_[place_++];
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    return y ^ (y >> 18);
  }

  double uniform() {
    const double high = bits() >> 5;
    return (high * 67108864.0 + (bits() >> 6)) / 9007199254740992.0;
  }

  uint32_t state_[size];
  int place_ = size;
  bool has_kept_ = false;
  double kept_ = 0;
};

using Shape = std::vector<int64_t>;

// A tensor, and whether it holds numbers of its own or the runtime's.
class Value {
 public:
  Value(std::vector<float> numbers, const Shape& shape) : numbers_(std::move(numbers)) {
    create(numbers_.data(), numbers_.size() * sizeof(float), shape,
           ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT);
  }
  Value(std::vector<int64_t> numbers, const Shape& shape) : whole_(std::move(numbers)) {
    create(whole_.data(), whole_.size() * sizeof(int64_t), shape,
           ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64);
  }
  explicit Value(OrtValue* made) : value_(made) {}
  Value(Value&& other) noexcept
      : numbers_(std::move(other.numbers_)), whole_(std::move(other.whole_)), value_(other.value_) {
    other.value_ = nullptr;  // moved vectors keep their place in memory
  }
  Value(const Value&) = delete;
  ~Value() {
    if (value_ != nullptr) api->ReleaseValue(value_);
  }

  const OrtValue* get() const { return value_; }

  template <typename Number>
  const Number* data() const {
    void* numbers = nullptr;
    check(api->GetTensorMutableData(value_, &numbers));
    return static_cast<const Number*>(numbers);
  }

  Shape shape() const {
    OrtTensorTypeAndShapeInfo* info = nullptr;
    check(api->GetTensorTypeAndShape(value_, &info));
    size_t count = 0;
    check(api->GetDimensionsCount(info, &count));
    Shape sides(count);
    check(api->GetDimensions(info, sides.data(), count));
    api->ReleaseTensorTypeAndShapeInfo(info);
    return sides;
  }

 private:
  void create(void* numbers, size_t bytes, const Shape& shape, ONNXTensorElementDataType type) {
    OrtMemoryInfo* memory = nullptr;
    check(api->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &memory));
    OrtStatus* status = api->CreateTensorWithDataAsOrtValue(
        memory, numbers, bytes, shape.data(), shape.size(), type, &value_);
    api->ReleaseMemoryInfo(memory);
    check(status);
  }

  std::vector<float> numbers_;
  std::vector<int64_t> whole_;
  OrtValue* value_ = nullptr;
};

class Session {
 public:
  Session(OrtEnv* env, const std::string& path) {
    OrtSessionOptions* options = nullptr;
    check(api->CreateSessionOptions(&options));
    OrtStatus* status = api->CreateSession(env, path.c_str(), options, &session_);
    api->ReleaseSessionOptions(options);
    check(status);
    check(api->GetAllocatorWithDefaultOptions(&allocator_));
  }
  Session(const Session&) = delete;
  ~Session() { api->ReleaseSession(session_); }

  std::vector<std::string> inputs() const {
    size_t count = 0;
    check(api->SessionGetInputCount(session_, &count));
    std::vector<std::string> names;
    for (size_t i = 0; i < count; ++i) {
      char* name = nullptr;
      check(api->SessionGetInputName(session_, i, allocator_, &name));
      names.push_back(taken(name));
    }
    return names;
  }

  // The sides of an input; -1 where callers choose.
  Shape input_shape(size_t i) const {
    OrtTypeInfo* type = nullptr;
    check(api->SessionGetInputTypeInfo(session_, i, &type));
    const OrtTensorTypeAndShapeInfo* info = nullptr;
    check(api->CastTypeInfoToTensorInfo(type, &info));
    size_t count = 0;
    check(api->GetDimensionsCount(info, &count));
    Shape sides(count);
    check(api->GetDimensions(info, sides.data(), count));
    api->ReleaseTypeInfo(type);
    return sides;
  }

  // The numbers of a fact that the file says of itself, such as "w_avg".
  std::vector<float> fact(const char* name) const {
    OrtModelMetadata* metadata = nullptr;
    check(api->SessionGetModelMetadata(session_, &metadata));
    char* text = nullptr;
    OrtStatus* status =
        api->ModelMetadataLookupCustomMetadataMap(metadata, allocator_, name, &text);
    api->ReleaseModelMetadata(metadata);
    check(status);
    if (text == nullptr) throw std::runtime_error(std::string("the file has no fact ") + name);
    std::istringstream numbers(taken(text));
    std::vector<float> values;
    for (float value; numbers >> value;) values.push_back(value);
    return values;
  }

  std::vector<Value> run(const std::vector<std::string>& names, const std::vector<Value>& values,
                         const std::vector<std::string>& wanted) const {
    std::vector<const char*> given, asked;
    std::vector<const OrtValue*> tensors;
    for (const auto& name : names) given.push_back(name.c_str());
    for (const auto& name : wanted) asked.push_back(name.c_str());
    for (const auto& value : values) tensors.push_back(value.get());
    std::vector<OrtValue*> made(wanted.size(), nullptr);
    check(api->Run(session_, nullptr, given.data(), tensors.data(), tensors.size(), asked.data(),
                   asked.size(), made.data()));
    return std::vector<Value>(made.begin(), made.end());
  }

 private:
  std::string taken(char* text) const {
    const std::string copy = text;
    check(api->AllocatorFree(allocator_, text));
    return copy;
  }

  OrtSession* session_ = nullptr;
  OrtAllocator* allocator_ = nullptr;
};

// PPM of colours, PGM of grey, PAM of colours with alpha.
void write_picture(const std::string& path, const uint8_t* pixels, const Shape& shape) {
  const int64_t height = shape[1], width = shape[2], channels = shape[3];
  std::ofstream file(path, std::ios::binary);
  if (channels == 4) {
    file << "P7\nWIDTH " << width << "\nHEIGHT " << height
         << "\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n";
  } else {
    file << (channels == 3 ? "P6\n" : "P5\n") << width << " " << height << "\n255\n";
  }
  file.write(reinterpret_cast<const char*>(pixels), height * width * channels);
  if (!file) throw std::runtime_error("cannot write " + path);
}

void draw(const std::vector<std::string>& given) {
  const std::string folder = given[0];
  const auto number = [&](size_t i, double usual) {
    return i < given.size() ? std::stod(given[i]) : usual;
  };
  const float psi = static_cast<float>(number(4, 0.7));
  const int64_t layers = static_cast<int64_t>(number(5, 4));
  const int64_t class_index = static_cast<int64_t>(number(6, 0));

  OrtEnv* env = nullptr;
  check(api->CreateEnv(ORT_LOGGING_LEVEL_ERROR, "mixed", &env));
  {
    const Session mapping(env, folder + "/mapping.onnx"), synthesis(env, folder + "/synthesis.onnx");

    // each seed's z, by NumPy's RandomState, to its w
    const int64_t z_dim = mapping.input_shape(0)[1];
    std::vector<float> z;
    for (const size_t i : {2, 3}) {
      RandomState random(static_cast<uint32_t>(std::stoul(given[i])));
      for (int64_t k = 0; k < z_dim; ++k) z.push_back(random.normal());
    }
    std::vector<Value> latent;
    latent.emplace_back(std::move(z), Shape{2, z_dim});
    if (mapping.inputs().size() > 1) {
      latent.emplace_back(std::vector<int64_t>{class_index, class_index}, Shape{2});
    }
    const std::vector<Value> mapped = mapping.run(mapping.inputs(), latent, {"w"});
    const float* w = mapped[0].data<float>();  // (2, w_dim)

    // truncation, then style mixing: which of the two each layer takes
    const Shape shape = synthesis.input_shape(0);
    const int64_t num_ws = shape[1], w_dim = shape[2];
    const std::vector<float> mean = mapping.fact("w_avg");
    std::vector<float> ws;
    for (int64_t layer = 0; layer < num_ws; ++layer) {
      const float* source = w + (layer < layers ? 0 : w_dim);
      for (int64_t k = 0; k < w_dim; ++k) ws.push_back(mean[k] + psi * (source[k] - mean[k]));
    }

    // what else synthesis takes: the stored noise maps, or those of a seed; zeros would be none
    const std::vector<std::string> names = synthesis.inputs();
    const std::vector<std::string> others(names.begin() + 1, names.end());
    std::vector<Value> inputs;
    inputs.emplace_back(std::move(ws), Shape{1, num_ws, w_dim});
    std::vector<Value> defaults = Session(env, folder + "/defaults.onnx").run({}, {}, others);
    const std::vector<float> layer_of = synthesis.fact("noise_layers");  // noise comes first
    for (size_t i = 0; i < others.size(); ++i) {
      if (given.size() <= 7 || i >= layer_of.size()) {
        inputs.push_back(std::move(defaults[i]));
        continue;
      }
      const Shape sides = defaults[i].shape();
      const uint32_t seed = static_cast<uint32_t>(std::stoul(given[7]));
      RandomState random(std::vector<uint32_t>{seed, static_cast<uint32_t>(layer_of[i])});
      std::vector<float> map;
      for (int64_t k = 0; k < sides[2] * sides[3]; ++k) map.push_back(random.normal());
      inputs.emplace_back(std::move(map), sides);
    }

    const std::vector<Value> drawn = synthesis.run(names, inputs, {"picture"});
    write_picture(given[1], drawn[0].data<uint8_t>(), drawn[0].shape());
  }
  api->ReleaseEnv(env);
}

}  // namespace

int main(int count, char** words) {
  const std::vector<std::string> given(words + 1, words + count);
  if (given.size() < 4 || given.size() > 8) {
    std::cerr << "mixed FOLDER OUT.ppm COARSE FINE [PSI [LAYERS [CLASS [NOISE_SEED]]]]\n";
    return 2;
  }
  try {
    draw(given);
  } catch (const std::exception& error) {
    std::cerr << "mixed: " << error.what() << "\n";
    return 1;
  }
  return 0;
}
