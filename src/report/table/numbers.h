// How numbers look in text and in JSON.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace narrow {

// "94.33 MB (94326576 bytes)": decimal units, the exact number in parentheses from 10 kB up.
std::string format_bytes(std::uint64_t bytes);

// "94.33 MB", "512 bytes".
std::string format_short_bytes(double bytes);

// "0.003412 (0.3412 %)".
std::string format_ratio(double ratio);

// What a size is in comparison: "4.00 times smaller than", "1.75 times larger than", "as large as".
std::string format_size_ratio(std::uint64_t size, std::uint64_t other);

// Four significant digits: "0.003412", "1.5e-09", "inf".
std::string format_short(double value);

// "51.23 dB"; "exact" for an error of zero.
std::string format_decibel(double value);

// A number, or null for infinities and NaN, which JSON does not have.
nlohmann::ordered_json json_number(double value);

}  // namespace narrow
