// SPDX-License-Identifier: MIT
// The functions that compiled code calls by itself, for programs without a C library.
#include <cstddef>
#include <cstdint>

extern "C" {

void* memcpy(void* to, const void* from, std::size_t bytes);
void* memmove(void* to, const void* from, std::size_t bytes);
void* memset(void* to, int value, std::size_t bytes);
int memcmp(const void* left, const void* right, std::size_t bytes);
void* memchr(const void* from, int value, std::size_t bytes);
std::size_t strlen(const char* text);
int __popcountdi2(std::int64_t value);

/// Whole words first: emulators and processors alike count and charge by the item.
void* memcpy(void* to, const void* from, std::size_t bytes) {
    void* target = to;
    std::size_t words = bytes / 8;
    std::size_t rest = bytes % 8;
    asm volatile("rep movsq" : "+D"(target), "+S"(from), "+c"(words) : : "memory");
    asm volatile("rep movsb" : "+D"(target), "+S"(from), "+c"(rest) : : "memory");
    return to;
}

void* memmove(void* to, const void* from, std::size_t bytes) {
    const auto distance =
        reinterpret_cast<std::uintptr_t>(to) - reinterpret_cast<std::uintptr_t>(from);
    if (distance >= bytes) return memcpy(to, from, bytes); // no byte is overwritten unread
    char* target = static_cast<char*>(to) + bytes - 1;
    const char* source = static_cast<const char*>(from) + bytes - 1;
    asm volatile("std\n\trep movsb\n\tcld"
                 : "+D"(target), "+S"(source), "+c"(bytes)
                 :
                 : "memory", "cc");
    return to;
}

void* memset(void* to, int value, std::size_t bytes) {
    void* target = to;
    const std::uint64_t pattern = 0x0101'0101'0101'0101 * static_cast<unsigned char>(value);
    std::size_t words = bytes / 8;
    std::size_t rest = bytes % 8;
    asm volatile("rep stosq" : "+D"(target), "+c"(words) : "a"(pattern) : "memory");
    asm volatile("rep stosb" : "+D"(target), "+c"(rest) : "a"(pattern) : "memory");
    return to;
}

int memcmp(const void* left, const void* right, std::size_t bytes) {
    const auto* a = static_cast<const unsigned char*>(left);
    const auto* b = static_cast<const unsigned char*>(right);
    for (std::size_t i = 0; i < bytes; ++i) {
        if (a[i] != b[i]) return a[i] < b[i] ? -1 : 1;
    }
    return 0;
}

void* memchr(const void* from, int value, std::size_t bytes) {
    const auto* at = static_cast<const unsigned char*>(from);
    for (std::size_t i = 0; i < bytes; ++i) {
        if (at[i] == static_cast<unsigned char>(value)) return const_cast<unsigned char*>(at + i);
    }
    return nullptr;
}

std::size_t strlen(const char* text) {
    std::size_t length = 0;
    while (text[length] != 0) ++length;
    return length;
}

/// Bits set: std::popcount's, for processors that need not have POPCNT.
int __popcountdi2(std::int64_t value) {
    auto bits = static_cast<std::uint64_t>(value);
    bits -= (bits >> 1) & 0x5555'5555'5555'5555;
    bits = (bits & 0x3333'3333'3333'3333) + ((bits >> 2) & 0x3333'3333'3333'3333);
    bits = (bits + (bits >> 4)) & 0x0f0f'0f0f'0f0f'0f0f;
    return static_cast<int>((bits * 0x0101'0101'0101'0101) >> 56);
}

} // extern "C"
