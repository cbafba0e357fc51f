mod alias;
mod cleaning;
mod commit;
mod damage;
