// Memory that grows, keeps what it has, and is never initialised: the large arrays are reused every step, and
// clearing or returning them would cost more than some stages do.
#pragma once

#include <cstdlib>
#include <new>

namespace recon {

template <class T>
class Buffer {
 public:
  Buffer() = default;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { std::free(data_); }

  // Room for `count` values; what was stored before is lost if the buffer has to grow.
  T* resize(size_t count) {
    if (count > capacity_) {
      std::free(data_);
      capacity_ = count + count / 4 + 64;
      const size_t bytes = (capacity_ * sizeof(T) + 63) / 64 * 64;
      data_ = static_cast<T*>(std::aligned_alloc(64, bytes));
      if (data_ == nullptr) {
        capacity_ = 0;
        throw std::bad_alloc();
      }
    }
    return data_;
  }

  T& operator[](size_t i) { return data_[i]; }
  const T& operator[](size_t i) const { return data_[i]; }
  T* data() { return data_; }
  const T* data() const { return data_; }

 private:
  T* data_ = nullptr;
  size_t capacity_ = 0;
};

}  // namespace recon
