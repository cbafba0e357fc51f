mod gc;
mod records;
