mod alias;
mod cleaning;
mod commit;
mod damage;
mod gc;
mod runs;
